import Model

/// How a connection of the guard's gets to one remote and to no other, through the tunnel.
public struct RemotePath: Sendable, Equatable {
    /// The remote's name.
    public var name: String
    /// What is dialled, at the remote's end of the tunnel.
    public var destination: SocketAddress
    /// This end of the tunnel.
    public var source: SocketAddress
    /// The mark that selects the remote; nil: the destination alone does.
    public var mark: UInt32?

    /// A path.
    public init(name: String, destination: SocketAddress, source: SocketAddress, mark: UInt32? = nil) {
        self.name = name
        self.destination = destination
        self.source = source
        self.mark = mark
    }
}
