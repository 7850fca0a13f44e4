package fs

import "time"

// A Moment is a time that always has a JSON form: disks tell of years that
// time.Time refuses to write. Those become the zero Moment.
type Moment struct{ time.Time }

// moment bounds t to what can be written.
func moment(t time.Time) Moment {
	t = t.UTC()
	if year := t.Year(); year < 1 || year > 9999 {
		return Moment{}
	}
	return Moment{t}
}

// utc is a Time with a name and a source, whose zone is UTC.
func utc(name, source string, t time.Time) Time {
	return Time{Name: name, Time: moment(t), Source: source, Zone: "UTC"}
}
