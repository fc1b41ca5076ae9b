/// Addresses and words of the connection that tests a host's own rules: a synthetic pod dials a reserved destination,
/// the rules take it, and a worker of the proxy answers it itself, without tables and without an upstream.
///
/// The addresses are the same on every host and never leave it. 169.254.112.0/28 lies outside the tunnels' block
/// (169.254.96.0/20); fd61:7075:7300::/48 is a unique local prefix that spells the program's name.
public enum RuleProbe {
    /// The port that is dialled.
    public static let port: UInt16 = 15021

    /// What synthetic pods have their addresses from, by family: in the pod sets of every rule plan. Eight addresses:
    /// several of them can be up at a time.
    public static let clients: [CIDR] = [IPAddress.Family.v4, .v6].compactMap { family in
        CIDR(address(0, family), length: family == .v4 ? 29 : 125)
    }

    /// Who has a synthetic pod. Each has its own, so they do not wait for each other.
    public enum Purpose: UInt64, Sendable, CaseIterable {
        /// `redirect status`.
        case status = 2
        /// The guard, for as long as it runs.
        case `guard` = 3
        /// A drill of the fallback.
        case drill = 4
    }

    /// A synthetic pod's address.
    public static func client(_ family: IPAddress.Family, _ purpose: Purpose = .status) -> IPAddress {
        address(purpose.rawValue, family)
    }

    /// What is dialled. Nobody has this address.
    public static func destination(_ family: IPAddress.Family) -> SocketAddress {
        SocketAddress(address(8, family), port)
    }

    /// Whether a connection is such a test.
    public static func isProbe(from client: IPAddress, to destination: SocketAddress) -> Bool {
        destination.port == port && destination == Self.destination(client.family) && isClient(client)
    }

    /// Whether an address is a synthetic pod's.
    public static func isClient(_ address: IPAddress) -> Bool { clients.contains { $0.contains(address) } }

    /// Where both ends of tunnels have their addresses.
    private static let tunnels = ["169.254.96.0/20", "fe80::/64"].compactMap { CIDR($0) }

    /// Whether a connection tests, through a tunnel, the proxy at this end of it. Nobody else has such addresses: no
    /// pod, and no network beyond the link.
    public static func isTunnelProbe(from client: IPAddress, to destination: SocketAddress) -> Bool {
        destination.port == port && isTunnelEnd(client) && isTunnelEnd(destination.address)
    }

    /// Whether an address can be a tunnel's end.
    public static func isTunnelEnd(_ address: IPAddress) -> Bool { tunnels.contains { $0.contains(address) } }

    private static func address(_ number: UInt64, _ family: IPAddress.Family) -> IPAddress {
        switch family {
        case .v4: IPAddress(v4: 0xa9fe_7000 | UInt32(number))
        case .v6: IPAddress(high: 0xfd61_7075_7300_0000, low: number)
        }
    }
}

extension RuleProbe {
    /// What a worker answers, as one line: `apus worker 1 generation 3`, and ` leaving` where it is.
    public struct Answer: Sendable, Equatable {
        /// The worker's index.
        public var worker: Int
        /// The generation of its snapshot.
        public var generation: UInt64
        /// Whether its process is about to drain: whoever has another one to go to should.
        public var isLeaving: Bool

        /// An answer.
        public init(worker: Int, generation: UInt64, isLeaving: Bool = false) {
            self.worker = worker
            self.generation = generation
            self.isLeaving = isLeaving
        }

        /// Parses a whole answer; nil when it is something else.
        public init?(_ line: some StringProtocol) {
            guard line.last == "\n" else { return nil }
            let words = line.dropLast().split(separator: " ", omittingEmptySubsequences: false)
            guard words.count == 5 || words.count == 6 && words[5] == "leaving", words[0] == "apus",
                words[1] == "worker", words[3] == "generation", let worker = Int(words[2]),
                let generation = UInt64(words[4])
            else { return nil }
            self.init(worker: worker, generation: generation, isLeaving: words.count == 6)
        }

        /// The line, with its end.
        public var line: String { "apus worker \(worker) generation \(generation)\(isLeaving ? " leaving" : "")\n" }
    }
}
