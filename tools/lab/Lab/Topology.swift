import Model

/// What one lab consists of, as a pure value: hosts with pods around an underlay switch, their names, addresses and the
/// `ip -batch` text and sysctls that build them. Executed by `Lab`.
///
///      A1   A2              B1   B2          pods: one namespace each
///       |    |               |    |          veth, routed (/32 and /128, Calico's way) or in a bridge `cni0`
///      [  A   ]             [  B   ]         hosts: 10.99.0.11, .12, ... and fd99::11, ::12, ...
///          \_______  U  _______/             underlay switch
///
/// Addresses are the same in every lab; only namespace names carry the lab's name, so labs run side by side.
public struct Topology: Sendable, Equatable {
    /// How pods are attached to their host.
    public enum Form: String, CaseIterable, Sendable {
        /// A veth each, host routes, proxy ARP.
        case routed
        /// All veths of a host in one bridge.
        case bridge
    }

    /// The prefix of every namespace's name.
    public let name: String
    /// How pods are attached.
    public let form: Form
    /// How many hosts: 2 or 3.
    public let hostCount: Int

    /// A lab's shape. `hostCount` is 1...3.
    public init(name: String, form: Form = .routed, hostCount: Int = 2) {
        precondition((1...3).contains(hostCount), "a lab has one to three hosts")
        self.name = name
        self.form = form
        self.hostCount = hostCount
    }

    /// The hosts, `A` first.
    public var hosts: [HostName] { HostName.allCases.prefix(hostCount).map(\.self) }
    /// The pods of all hosts.
    public var pods: [PodName] { hosts.flatMap(\.pods) }

    /// Every namespace's name, the switch first.
    public var namespaces: [String] {
        [switchNamespace] + hosts.map(namespace(of:)) + pods.map(namespace(of:))
    }
    /// The underlay switch's namespace.
    public var switchNamespace: String { name + "-U" }
    /// A host's namespace.
    public func namespace(of host: HostName) -> String { "\(name)-\(host)" }
    /// A pod's namespace.
    public func namespace(of pod: PodName) -> String { "\(name)-\(pod)" }
}

/// A host of the lab.
public enum HostName: Int, CaseIterable, Sendable, CustomStringConvertible {
    /// 10.99.0.11, pods 10.1.0.0/24 and fd01::/64.
    case a = 1
    /// 10.99.0.12, pods 10.2.0.0/24 and fd02::/64.
    case b
    /// 10.99.0.13, pods 10.3.0.0/24 and fd03::/64.
    case c

    /// `A`, `B` or `C`.
    public var description: String { ["A", "B", "C"][rawValue - 1] }
    /// Its pods.
    public var pods: [PodName] { [PodName(host: self, number: 1), PodName(host: self, number: 2)] }
    /// Its IPv4 address on the underlay.
    public var v4: IPAddress { IPAddress(v4: 0x0a63_000a + UInt32(rawValue)) }
    /// Its IPv6 address on the underlay, `fd99::11` and so on.
    public var v6: IPAddress { IPAddress(high: 0xfd99_0000_0000_0000, low: 0x10 + UInt64(rawValue)) }
    /// Its pods' IPv4 and IPv6 prefixes as text.
    public var podCIDRs: [String] { ["10.\(rawValue).0.0/24", "fd0\(rawValue)::/64"] }
    /// The host's own addresses in its pods' prefixes (bridge form).
    var gateways: [String] { ["10.\(rawValue).0.1", "fd0\(rawValue)::1"] }
}

/// A pod of the lab.
public struct PodName: Hashable, Sendable, CustomStringConvertible {
    /// Its host.
    public let host: HostName
    /// 1 or 2.
    public let number: Int

    /// 10.1.0.11, fd01::11.
    public static let a1 = PodName(host: .a, number: 1)
    /// 10.1.0.12, fd01::12.
    public static let a2 = PodName(host: .a, number: 2)
    /// 10.2.0.11, fd02::11.
    public static let b1 = PodName(host: .b, number: 1)
    /// 10.2.0.12, fd02::12.
    public static let b2 = PodName(host: .b, number: 2)

    /// `A1`, ...
    public var description: String { "\(host)\(number)" }
    /// Its IPv4 address.
    public var v4: IPAddress { IPAddress(v4: 0x0a00_000a + UInt32(host.rawValue) << 16 + UInt32(number)) }
    /// Its IPv6 address.
    public var v6: IPAddress {
        IPAddress(high: 0xfd00_0000_0000_0000 + UInt64(host.rawValue) << 48, low: 0x10 + UInt64(number))
    }
    /// The host's end of its veth.
    public var device: String { "pod\(self)" }
}
