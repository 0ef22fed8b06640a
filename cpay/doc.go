// Package cpay speaks the Cloud Pay (微信云支付) wire protocol: it is the Go SDK
// for tills and merchants' servers, and the envelope and messages that a gateway
// is built on. It uses the standard library only, keeps nothing on disk and
// knows nothing of wallets, shops or ledgers.
//
// # Taking a payment
//
// A device is set up with an account, an authentication key and the addresses of
// the service:
//
//	client, err := cpay.NewClient(cpay.Config{
//		Domains: []string{"pay.example.com", "backup.example.com"},
//		Account: cpay.Account{OutMchID: "…", OutSubMchID: "…", OutShopID: "…", DeviceID: "till-1"},
//		Keys:    cpay.Keys{AuthenKey: cpay.NewKey("…")},
//	})
//
// The till makes an order number that begins with the merchant's order prefix,
// writes it down before calling, and never uses it for another sale:
//
//	result := client.MicroPayAndWait(ctx, &cpay.MicroPayRequest{
//		PayContent: cpay.PayContent{
//			OutTradeNo: "0100826600126…", AuthorCode: "13…", TotalFee: 1250, Body: "早餐",
//		},
//	}, cpay.WaitOptions{Progress: func(p cpay.Progress) { show(p.Tell) }})
//	show(result.Tell)
//
// Amounts are fen, times are UNIX seconds. Everything the configuration knows is
// filled in.
//
// # What a result means
//
//	StatePaid      the customer has paid
//	StateDeclined  the customer has not paid, for certain; another try may follow,
//	               under a new order number
//	StateUnknown   the customer may have paid; look the order up before anything else
//	StateRefunded  paid, and refunded since, wholly or in part
//	StateNotOurs   the number belongs to another payment; query it, never reverse it
//
// Unknown is not a failure. It is what is left when answers are lost or the
// customer neither pays nor cancels for two and a half minutes. The server goes
// on asking the wallet and will know; QueryOrder tells. A till that charges
// again, or gives the goods away, is guessing. Nothing here reverses by itself:
// reversing is the server's decision, because reversing the wrong order refunds
// somebody who has paid.
//
// # Statuses
//
// The status of an answer says how the call went; whether money moved is in the
// order. Every non-zero status is returned as an *Error:
//
//	status  meaning                     the client              Definite
//	0       processed                   returns the answer      –
//	3       outcome unknown             repeats after 1 s       no
//	101     the call is wrong           returns                 yes
//	102     not with this number        returns; take a new one yes
//	103     outcome unknown             repeats after 3 s       no
//	104     refused, see Description    returns                 yes
//	other   as 3                        repeats after 1 s       no
//
// No verifiable answer is a *TransportError and leaves the outcome as unknown as
// 103; the call is repeated, byte for byte, over another domain. Repeating is
// safe because the order number or refund number inside makes it the same call.
// A call that Validate refuses is a *FieldError and was never sent. Unknown(err)
// sums this up.
//
// Answers are verified: an authen_code must be there for 0, 102, 103 and 104, and
// must be right wherever there is one.
//
// # Domains
//
// With several domains the client pings them in order, takes the first that
// answers, and stays with it until a call over it fails.
//
// # Keys
//
// The authentication key is used as the ASCII text the console shows. A refund or
// reverse is signed when Keys has a PrivateKey, and authenticated like everything
// else when not; servers may insist on the signature. Key and Keys print as ***,
// payment codes print with all but six digits masked, and no error repeats
// either.
//
// # Receiving callbacks
//
// A merchant's server is told of payments and refunds by POST. Open verifies the
// body, Envelope.Callback reads it, SealCallbackReply answers. Callbacks come at
// least once and perhaps late, so settle by the number inside.
//
// # Devices
//
// A till that shows a configuration code is set up by UseDeviceSetting. A device
// that left the factory with an init key is bound by a Binder, and speaks the
// short envelope: BriefMicroPay and its like.
//
// # Building a server
//
// Parse, Envelope.Hint, Envelope.Verify, Envelope.Decode, Validate and
// SealResponse are the steps of a call, in this order; NewRequest makes the
// message of a method, and for the methods of the short envelope (see Brief) the
// answer is made by SealBriefResponse. Nothing of the content can be decoded
// before it is verified, except the Hint that selects the key; compare the
// merchant in the decoded message with the one whose key verified it.
//
// What is absent from a request stays as the message had it, and an empty text
// clears it. A message filled with what is stored is therefore changed as the
// sender means it; Envelope.DecodeAt does so for one element of a list. Where 0
// or "" must be told from absence, Envelope.Has tells.
//
// Schema is the protocol as an OpenAPI document. Diagnose explains a request that
// does not verify.
package cpay
