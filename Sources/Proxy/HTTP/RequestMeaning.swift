import HTTP
import Model

/// What a client's codec says of a request beside its head.
struct RequestMeaning: BitwiseCopyable {
    /// How its body ends.
    let framing: BodyFraming
    /// What the client speaks, for the log.
    let version: RequestProtocol
    /// The client asks for another protocol on its connection.
    var upgrade = false
    /// The client asks for a tunnel on its stream.
    var expectsTunnel = false
    /// It waits for `100 Continue` before it sends the body.
    var expectsContinue = false
    /// The connection may carry another request after this one.
    var keepsAlive = true
}

/// What an upstream's codec says of a response beside its head.
struct ResponseMeaning: BitwiseCopyable {
    /// How its body ends.
    let framing: BodyFraming
    /// Nothing follows it on its stream.
    var isEnd = false
    /// The server has agreed to another protocol: what follows are bytes both ways.
    var isTunnel = false
}
