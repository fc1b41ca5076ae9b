import FoundationEssentials
import Model

/// Counts the proxied connections of this network namespace without asking the proxy: a socket that is bound to an
/// address the host has not is transparent, and nearly always the proxy's. A connection has one or two of them.
enum ProxiedConnections {
    /// Sockets that have not ended. TIME_WAIT needs no rule of ours to end.
    static func count() async throws(InterceptionError) -> Int {
        let own = try await hostAddresses()
        var count = 0
        for path in ["/proc/self/net/tcp", "/proc/self/net/tcp6"] {
            // Without IPv6 the second one is missing.
            guard let text = try await Tool.look(Command("cat", [path])) else { continue }
            count += transparent(in: text, own: own)
        }
        return count
    }

    /// Sockets of a /proc/net/tcp listing with a local address outside `own` in a state that carries data.
    static func transparent(in text: String, own: Set<IPAddress>) -> Int {
        text.split(separator: "\n").dropFirst().count { line in
            let words = line.split(separator: " ", maxSplits: 4)
            guard words.count > 3, let state = UInt8(words[3], radix: 16), isAlive(state) else { return false }
            guard let address = address(words[1].prefix { $0 != ":" }) else { return false }
            return !address.isLoopback && !address.isUnspecified && !own.contains(address)
        }
    }

    /// ESTABLISHED...FIN_WAIT2, CLOSE_WAIT...CLOSING (net/tcp_states.h); not TIME_WAIT, CLOSE and LISTEN.
    private static func isAlive(_ state: UInt8) -> Bool { ![6, 7, 10].contains(state) }

    /// Addresses are printed as 32-bit words in the machine's byte order, which is little-endian where Apus runs.
    static func address(_ digits: Substring) -> IPAddress? {
        var words: [UInt64] = []
        var rest = digits
        while !rest.isEmpty {
            guard let word = UInt32(rest.prefix(8), radix: 16) else { return nil }
            words.append(UInt64(UInt32(littleEndian: word).byteSwapped))
            rest = rest.dropFirst(8)
        }
        switch words.count {
        case 1: return IPAddress(v4: UInt32(truncatingIfNeeded: words[0]))
        case 4: return IPAddress(high: words[0] << 32 | words[1], low: words[2] << 32 | words[3])
        default: return nil
        }
    }

    private static func hostAddresses() async throws(InterceptionError) -> Set<IPAddress> {
        struct Link: Decodable { var addr_info: [Address] }
        struct Address: Decodable { var local: String? }
        let links = try await KernelState.decode([Link].self, Command("ip", ["-j", "addr", "show"])) ?? []
        return Set(links.flatMap(\.addr_info).compactMap(\.local).compactMap { IPAddress($0) })
    }
}
