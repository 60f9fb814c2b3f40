package mirror

import "strconv"

// Line returns the service as a line of a bucket.
func (s *Service) Line() string { return string(s.AppendLine(nil)) }

// AppendLine appends the service as a line of a bucket: the JSON that encoding/json makes of it, without its cost. The
// loss of a member makes tens of thousands of lines anew at once.
func (s *Service) AppendLine(b []byte) []byte {
	b = appendString(append(b, `{"namespace":`...), s.Namespace)
	b = appendString(append(b, `,"name":`...), s.Name)
	if s.Upstream {
		b = append(b, `,"upstream":true`...)
	}
	b = appendList(b, `,"levels":`, s.Levels, appendLevel)
	b = appendList(b, `,"ports":`, s.Ports, appendPort)
	return append(b, "}\n"...)
}

func appendLevel(b []byte, lv Level) []byte {
	b = appendString(append(b, `{"level":`...), string(lv.Level))
	b = strconv.AppendUint(append(b, `,"ttl":`...), uint64(lv.TTL), 10)
	b = appendList(b, `,"addresses":`, lv.Addresses, appendAddress)
	if lv.Host != "" {
		b = appendString(append(b, `,"host":`...), string(lv.Host))
	}
	b = appendList(b, `,"members":`, lv.Members, appendString)
	if lv.Up != "" {
		b = appendString(append(b, `,"up":`...), string(lv.Up))
	}
	return append(b, '}')
}

func appendAddress(b []byte, a Address) []byte {
	b = append(b, `{"address":`...)
	if a.Address.Zone() != "" {
		b = append(b, encode(a.Address, "")...)
	} else {
		b = append(b, '"')
		b, _ = a.Address.AppendText(b) // it cannot fail
		b = append(b, '"')
	}
	if a.Members == nil {
		return append(b, `,"members":null}`...)
	}
	b = append(b, `,"members":[`...)
	for i, m := range a.Members {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, m)
	}
	return append(b, "]}"...)
}

func appendPort(b []byte, p Port) []byte {
	b = appendString(append(b, `{"name":`...), p.Name)
	b = appendString(append(b, `,"protocol":`...), p.Protocol)
	b = strconv.AppendUint(append(b, `,"port":`...), uint64(p.Port), 10)
	return append(b, '}')
}

// appendList appends a list after its key, unless it is empty.
func appendList[T any](b []byte, key string, list []T, one func([]byte, T) []byte) []byte {
	if len(list) == 0 {
		return b
	}
	b = append(append(b, key...), '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = one(b, v)
	}
	return append(b, ']')
}

// appendString appends a string in quotes. Names of DNS have nothing that needs an escape; what has is left to
// encoding/json.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return append(b, encode(s, "")...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
