import Model
import Proxy

/// The new process introduces itself.
package struct Hello: Codable {
    /// Formats of `tunnels` messages it reads.
    var formats: [Int]
    var process: Int32
    var version: String
    /// The ports the host's rules send traffic to; nil: it does not intercept.
    var interceptionPorts: [UInt16]?
}

/// The old process answers.
package struct Welcome: Codable {
    /// The newest format that both know; 0: none, so all connections stay and drain where they are.
    var format: Int
    var process: Int32
    var version: String
    /// Sockets it has in each listening group.
    var listenersPerGroup: Int
    var connections: Int
}

/// The old process will not.
struct Refusal: Codable {
    var reason: String
}

/// The new process listens, and its listeners get all new connections.
struct Ready: Codable {}

/// What the old process has counted since it last said so.
package struct News: Codable {
    /// The names it held, in the first message: their descriptors lie beside it, in this order.
    var claims: [String] = []
    package var totals: Totals
}

/// Some connections. Two descriptors each (client's, upstream's); the raw bytes are what is pending, in order.
package struct Tunnels: Codable {
    /// What this build writes.
    static let format = 1

    var tunnels: [TunnelState]
}

/// What becomes of them: by place in the batch, why one is not taken.
package struct Verdicts: Codable {
    var refused: [Int: String] = [:]
}

/// The old process is about to exit.
package struct Done: Codable {
    /// Connections it handed over, and had to end itself.
    var handedOver: Int
    var reset: Int
}
