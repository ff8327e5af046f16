package messages

// Class is a group of event types that share a full queue as one: strangers cause events of the one, clients of the
// other, and a flood of either must not cost the rest.
type Class uint8

const (
	ClassMessage Class = iota // message.*
	ClassClient               // client.* and subscription.*
	ClassAuth                 // auth.* and authz.*: whoever can connect causes these
)

// ClassCount is the number of classes: an array indexed by Class has as many places.
const ClassCount = ClassAuth + 1

// Class is the class of a valid type.
func (t Type) Class() Class { return types[t].class }
