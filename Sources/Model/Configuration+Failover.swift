extension Configuration {
    /// What happens to new connections when the local proxy is gone, and for which other hosts this one stands in.
    public struct Failover: Sendable, Equatable {
        /// One answer.
        public enum Answer: String, Sendable, CaseIterable { case remote, direct, drop }
        /// Answers in order of preference: `remote` first or not at all, then `direct` or `drop`, which ends the list.
        public var policy: [Answer]
        /// The remote proxies of this host, in no order: healthy ones share the connections.
        public var remotes: [Remote]
        /// How the guard tests the local proxy and the remotes.
        public var probe: Probe
        /// This host's tunnel to its remotes. Their `protects` entry for this host names the same one.
        public var tunnel: Tunnel
        /// Bits of the mark that hold the id of the protected host a packet belongs to.
        public var hostMarkMask: UInt32
        /// Hosts this one stands in for.
        public var protects: [ProtectedHost]
        /// Ports of spoofed upstream sources on behalf of protected hosts, halves as in `Interception.sourcePorts`.
        /// Another range than any host uses for its own pods: what a dead proxy left behind would meet these.
        public var sourcePorts: PortRange
        /// Where the guard's own admin API listens.
        public var guardAdmin: SocketAddress

        /// A policy; everything else has its documented default.
        public init(
            policy: [Answer] = [.direct], remotes: [Remote] = [], probe: Probe = Probe(), tunnel: Tunnel = Tunnel(),
            hostMarkMask: UInt32 = 0xffff_0000, protects: [ProtectedHost] = [],
            sourcePorts: PortRange? = nil, guardAdmin: SocketAddress = SocketAddress(.loopbackV4, 15002)
        ) {
            self.policy = policy
            self.remotes = remotes
            self.probe = probe
            self.tunnel = tunnel
            self.hostMarkMask = hostMarkMask
            self.protects = protects
            self.sourcePorts = sourcePorts ?? Self.defaultSourcePorts
            self.guardAdmin = guardAdmin
        }

        /// `20000-29999`: next to `Interception.defaultSourcePorts`, and below the kernel's `ip_local_port_range`.
        public static let defaultSourcePorts = PortRange(20000, 29999) ?? PortRange(20000)

        /// The bits of the mark that name a protected host.
        public func hostMark(_ host: ProtectedHost) -> UInt32 {
            UInt32(truncatingIfNeeded: host.id) << UInt32(hostMarkMask.trailingZeroBitCount) & hostMarkMask
        }

        /// The id of the protected host in a packet's mark; 0: none, the packet is this host's own.
        public func hostID(inMark mark: UInt32) -> Int {
            hostMarkMask == 0 ? 0 : Int((mark & hostMarkMask) >> UInt32(hostMarkMask.trailingZeroBitCount))
        }
    }

    /// A proxy on another host that stands in for this one.
    public struct Remote: Sendable, Equatable {
        /// Its name, for people.
        public var name: String
        /// Where its end of the tunnel is.
        public var address: IPAddress
        /// The port of its admin API.
        public var adminPort: UInt16

        /// A remote.
        public init(name: String, address: IPAddress, adminPort: UInt16 = 15000) {
            self.name = name
            self.address = address
            self.adminPort = adminPort
        }
    }

    /// How the guard tests a proxy.
    public struct Probe: Sendable, Equatable {
        /// A probe of each worker starts this often, whether or not earlier ones have ended.
        public var interval: Duration
        /// A probe without an answer for this long has failed.
        public var timeout: Duration
        /// So many failures in a row make a proxy unhealthy.
        public var unhealthyAfter: Int
        /// So many successes in a row make it healthy again.
        public var healthyAfter: Int
        /// A proxy without any progress (heartbeats, CPU time) for this long is killed.
        public var killAfter: Duration

        /// Documented defaults: a hang is noticed within 600 ms.
        public init(
            interval: Duration = .milliseconds(100), timeout: Duration = .milliseconds(300), unhealthyAfter: Int = 3,
            healthyAfter: Int = 20, killAfter: Duration = .seconds(10)
        ) {
            self.interval = interval
            self.timeout = timeout
            self.unhealthyAfter = unhealthyAfter
            self.healthyAfter = healthyAfter
            self.killAfter = killAfter
        }
    }

    /// A VXLAN between a protected host and those that stand in for it.
    public struct Tunnel: Sendable, Equatable {
        /// The network identifier, 1...16777215; one per protected host.
        public var vni: UInt32
        /// The UDP port.
        public var port: UInt16

        /// A tunnel.
        public init(vni: UInt32 = 7011, port: UInt16 = 4799) {
            self.vni = vni
            self.port = port
        }
    }

    /// A host this one stands in for.
    public struct ProtectedHost: Sendable, Equatable {
        /// 1 and up, in `Failover.hostMarkMask`: the host's number in packet marks here.
        public var id: Int
        /// Its `node.name`: pods with this `node` are its pods.
        public var node: String
        /// Where its end of the tunnel is.
        public var address: IPAddress
        /// Its pods' prefixes.
        public var podCIDRs: [CIDR]
        /// Its tunnel.
        public var tunnel: Tunnel

        /// A protected host.
        public init(id: Int, node: String, address: IPAddress, podCIDRs: [CIDR], tunnel: Tunnel) {
            self.id = id
            self.node = node
            self.address = address
            self.podCIDRs = podCIDRs
            self.tunnel = tunnel
        }
    }
}
