/// What a connection turned out to speak, where `protocol: auto` (or `tls`) looks.
public enum SpokenProtocol: UInt8, Sendable, BitwiseCopyable, CaseIterable {
    /// The client began with a TLS ClientHello.
    case tls
    /// The client began with HTTP/2's preface.
    case http2
    /// The client began with an HTTP/1 request.
    case http1
    /// The client spoke first, and it was none of these.
    case bytes
    /// The server spoke first.
    case serverFirst

    /// As in metrics and logs.
    public var label: String {
        switch self {
        case .tls: "tls"
        case .http2: "http2"
        case .http1: "http1"
        case .bytes: "bytes"
        case .serverFirst: "server_first"
        }
    }

    /// Whether its requests are read.
    public var isHTTP: Bool { self == .http1 || self == .http2 }
}

/// What one worker remembers of a destination.
public struct LearnedProtocol: Sendable, Equatable {
    /// What was spoken there last, and how long ago.
    public let latest: SpokenProtocol
    /// Nanoseconds.
    public let age: Int64
    /// A silent client is waited for a moment: only clients were seen to speak first there.
    public let awaitsClients: Bool

    /// What was learned.
    public init(latest: SpokenProtocol, age: Int64, awaitsClients: Bool) {
        self.latest = latest
        self.age = age
        self.awaitsClients = awaitsClients
    }
}
