import Model

/// What a lookup of a host name came to.
public enum DNSAnswer: Sendable, Equatable {
    /// Its addresses, in ascending order, each once; how long they may be used, in seconds.
    case addresses([IPAddress], ttl: Int)
    /// The name does not exist, or has no address.
    case none
    /// No answer, or an error of the server: nothing is known.
    case failed(String)
}
