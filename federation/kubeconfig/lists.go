package kubeconfig

import "k8s.io/client-go/tools/cache"

// ListThenWatch makes a reflector list by LIST, as X2b requires, and not by a stream of events: a missing right is seen
// at once, the lists are short, and on a server in trouble the stream may never end.
type ListThenWatch struct{ *cache.ListWatch }

// IsWatchListSemanticsUnSupported is called by the reflector.
func (ListThenWatch) IsWatchListSemanticsUnSupported() bool { return true }
