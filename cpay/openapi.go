package cpay

import _ "embed" // the description of the protocol is a file

//go:embed openapi.json
var openAPI []byte

// Schema returns the protocol as an OpenAPI 3.1 document: every interface, its
// envelope, and the members of its messages, with what may be left out and how
// long texts may be. It is made from the types of this package, and a test keeps
// it so.
func Schema() []byte { return append([]byte(nil), openAPI...) }
