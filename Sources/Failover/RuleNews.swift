import Interception
import Syscalls

/// Which of the kernel's messages about rules and routes concern us: pure.
enum RuleNews: Sendable {
    /// None of our business.
    case none
    /// A port of a bridge, which may be a new pod's: to be looked at, but what is there is right.
    case port
    /// Something of ours, or a table that went.
    case ours
    /// The synthetic pod's device or route.
    case pod

    /// What is ours on this host.
    struct Own {
        /// Routing tables.
        var tables: Set<Int>
        /// The synthetic pod's device with its end, and its addresses.
        var podDevice: [UInt8]
        var podAddresses: [[UInt8]]
    }

    private static let ownTable = Array("apus".utf8) + [0]
    private static let ownChains = Array("APUS_".utf8)
    private static let tunnels = Array("apus-t".utf8)
    /// Preferences of the routing policy that are ours, and those between.
    private static let preferences = 80...110
    // linux/rtnetlink.h.
    private static let newLink: UInt16 = 16, deleteLink: UInt16 = 17, newRoute: UInt16 = 24, deleteRoute: UInt16 = 25
    private static let bridgeFamily: UInt8 = 7
    private static let rules: ClosedRange<UInt16> = 32...33, nextHops: ClosedRange<UInt16> = 104...105

    /// A message about nf_tables: those of our table, and of our chains in the tables of iptables.
    static func tables(_ message: KernelEvents.Message) -> RuleNews {
        contains(message.payload, ownTable) || contains(message.payload, ownChains) ? .ours : .none
    }

    /// A message about links, routes, rules and next hops.
    static func routing(_ message: KernelEvents.Message, _ own: Own) -> RuleNews {
        switch message.type {
        case newLink, deleteLink:
            // A bridge tells of its ports with its own family in `struct ifinfomsg`.
            if message.payload.first == bridgeFamily { return message.type == newLink ? .port : .none }
            if contains(message.payload, own.podDevice) { return message.type == deleteLink ? .pod : .none }
            return contains(message.payload, tunnels) ? .ours : .none
        case deleteRoute:
            if own.podAddresses.contains(where: { contains(message.payload, $0) }) { return .pod }
            return own.tables.contains(table(message.payload)) ? .ours : .none
        case newRoute: return own.tables.contains(table(message.payload)) ? .ours : .none
        case rules:
            let isNear = attribute(6, message.payload).map(preferences.contains) ?? true
            return isNear || own.tables.contains(table(message.payload)) ? .ours : .none
        case nextHops:
            // A routing daemon has thousands of its own. NHA_ID, after `struct nhmsg`.
            return attribute(1, message.payload, after: 8).map(Installer.isOwnNexthop) ?? true ? .ours : .none
        default: return .none
        }
    }

    /// RTA_TABLE and FRA_TABLE (15) have the numbers above 255 as well.
    private static func table(_ payload: ArraySlice<UInt8>) -> Int { attribute(15, payload) ?? 0 }

    /// `struct rtmsg` and `struct fib_rule_hdr`, 12 bytes, are followed by attributes: this one's 32-bit value.
    private static func attribute(_ wanted: UInt16, _ payload: ArraySlice<UInt8>, after header: Int = 12) -> Int? {
        var rest = payload.dropFirst(header)
        while rest.count >= 8 {
            let start = rest.startIndex
            let length = Int(rest[start]) | Int(rest[start + 1]) << 8
            guard length >= 4 else { return nil }
            if UInt16(rest[start + 2]) | UInt16(rest[start + 3]) << 8 == wanted, length == 8 {
                return (0..<4).reduce(0) { $0 | Int(rest[start + 4 + $1]) << (8 * $1) }
            }
            rest = rest.dropFirst((length + 3) & ~3)
        }
        return nil
    }

    private static func contains(_ bytes: ArraySlice<UInt8>, _ wanted: [UInt8]) -> Bool {
        guard !wanted.isEmpty, bytes.count >= wanted.count else { return false }
        return (bytes.startIndex...(bytes.endIndex - wanted.count)).contains { start in
            bytes[start] == wanted[0] && bytes[start..<start + wanted.count].elementsEqual(wanted)
        }
    }
}
