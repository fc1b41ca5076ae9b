import FoundationEssentials
import Model

/// Who listens in this network namespace, as /proc tells.
enum ListeningSockets {
    /// Whether a TCP socket listens on exactly this address.
    static func has(_ address: SocketAddress) async -> Bool { await inodes(of: address)?.isEmpty == false }

    /// The inodes of the TCP sockets that listen on exactly this address; nil: it could not be read.
    static func inodes(of address: SocketAddress) async -> [Substring]? {
        let path = address.address.isV4 ? "/proc/self/net/tcp" : "/proc/self/net/tcp6"
        guard let text = try? await Tool.read(path) else { return nil }
        return text.split(separator: "\n").dropFirst().compactMap { line in
            listens(line, on: address) ? line.split(separator: " ").dropFirst(9).first : nil
        }
    }

    /// Whether a line is a socket that listens on `address`.
    static func listens(_ line: Substring, on address: SocketAddress) -> Bool {
        let words = line.split(separator: " ", maxSplits: 4)
        // LISTEN (net/tcp_states.h).
        guard words.count > 3, words[3] == "0A" else { return false }
        let local = words[1].split(separator: ":")
        return local.count == 2 && UInt16(local[1], radix: 16) == address.port
            && ProxiedConnections.address(local[0]) == address.address
    }
}
