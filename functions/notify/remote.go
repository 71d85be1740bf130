//go:build !loopback

package main

// Webhook addresses on Lambda's own machine are refused: what listens there is Lambda's.
const loopback = false
