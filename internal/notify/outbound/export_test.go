package outbound

// CheckDial is checkDial, for addresses that a test can't dial.
var CheckDial = checkDial
