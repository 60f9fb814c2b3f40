package snapshot

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/policy"
)

// TestMemberEqual changes every field: a field that Equal forgot would never be seen to change.
func TestMemberEqual(t *testing.T) {
	t.Run("S1 a member that differs in anything has changed", func(t *testing.T) {
		since := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		sample := func() *Member {
			return &Member{
				Name: "a", Reach: policy.Reach{Since: since}, Contact: policy.Contact{Since: since},
				Topology: federation.Member{Name: "a", Region: "eu", Zones: []federation.Label{"eu-1"}},
				Problems: []federation.Problem{{Member: "a"}}, ProbeErr: errors.New("timeout"),
			}
		}
		if !sample().Equal(sample()) {
			t.Error("the same twice is not equal")
		}
		changed := 0
		var change func(path string, field func(*Member) reflect.Value)
		change = func(path string, field func(*Member) reflect.Value) {
			if v := field(sample()); v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[time.Time]() {
				for i := range v.NumField() {
					change(path+"."+v.Type().Field(i).Name, func(m *Member) reflect.Value { return field(m).Field(i) })
				}
				return
			}
			m := sample()
			set(t, path, field(m))
			changed++
			if m.Equal(sample()) || sample().Equal(m) {
				t.Errorf("%s has changed, and the member is equal", path)
			}
		}
		change("Member", func(m *Member) reflect.Value { return reflect.ValueOf(m).Elem() })
		if changed < 20 {
			t.Errorf("%d fields", changed)
		}
	})
}

// set sets a field to another value.
func set(t *testing.T, path string, v reflect.Value) {
	t.Helper()
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		*x = x.Add(time.Second)
		return
	case *error:
		*x = errors.New("refused")
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int:
		v.SetInt(v.Int() + 1)
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Slice:
		v.Set(reflect.AppendSlice(v, reflect.MakeSlice(v.Type(), 1, 1)))
	default:
		t.Fatalf("%s: say how a %s changes", path, v.Type())
	}
}
