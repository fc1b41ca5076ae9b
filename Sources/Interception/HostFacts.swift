import Model

/// What a rule plan has to know of the host it is for. Kept with the installation, so that the plan for another failover
/// state can be made without asking the host again.
public struct HostFacts: Sendable, Equatable, Codable {
    /// iptables sets whose filter table already has an INPUT chain: there intercepted packets are accepted first,
    /// because no verdict of an own table overrides somebody else's drop.
    public var hostFirewalls: [Xtables] = []
    /// The same for FORWARD, where tunnelled packets pass.
    public var forwardFirewalls: [Xtables] = []
    /// iptables sets whose filter OUTPUT drops what it does not know: there what the proxy sends is accepted first. An
    /// OUTPUT that drops only what it names keeps its say over it.
    public var closedOutputs: [Xtables] = []
    /// False leaves IPv6 prefixes out: without the kernel's IPv6 their rules cannot be loaded.
    public var hasIPv6 = true
    /// Whether the kernel knows `net.ipv4.tcp_migrate_req` (5.14).
    public var hasTCPMigration = true
    /// How the other ends of tunnels are reached.
    public var underlays: [Underlay] = []
    /// Slots of remotes that are in force, by address: a remote that comes must not move another's connections.
    public var slots: [String: Int]?

    /// The way to a tunnel's other end.
    public struct Underlay: Sendable, Hashable, Codable {
        /// The other end.
        public var peer: String
        /// The own address on the way to it.
        public var local: String
        /// The device's.
        public var mtu: Int

        /// A way.
        public init(peer: String, local: String, mtu: Int) {
            self.peer = peer
            self.local = local
            self.mtu = mtu
        }
    }

    /// Facts of a host without firewalls.
    public init() {}

    func underlay(to peer: IPAddress) -> Underlay? { underlays.first { $0.peer == "\(peer)" } }
}

extension Xtables: Codable {
    /// From its name.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let name = try container.decode(String.self)
        guard let set = Self.all.first(where: { $0.description == name }) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "\(name): no set of iptables")
        }
        self = set
    }

    /// As its name.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
