package policy

import (
	"time"
)

var config = Config{
	UnreachableAfter: 45 * time.Second, StartupTimeout: time.Minute, EmptyGrace: 30 * time.Second,
	HeldMax: 24 * time.Hour, PanicThreshold: 50, PanicHold: 5 * time.Minute,
}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
