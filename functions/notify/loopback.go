//go:build loopback

package main

// Tests on one machine have their stand-ins there.
const loopback = true
