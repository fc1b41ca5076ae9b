import FoundationEssentials
import Model

/// The processes of this network namespace that listen on a port of loopback, found in /proc: they need not answer.
public struct ListenerOwners: Sendable, Equatable {
    /// Their numbers, in this PID namespace.
    public var processes: [Int32]
    /// Sockets of the address that has most: a process with SO_REUSEPORT has one for each of its threads. nil: it could
    /// not be told.
    public var socketCount: Int?

    /// Looks for them. Processes of another PID namespace are not seen: then there are sockets and no process.
    public static func find(port: UInt16, _ families: [IPAddress.Family]) async -> ListenerOwners {
        var inodes: Set<Substring> = []
        var socketCount = 0
        for family in families {
            let address = SocketAddress(family == .v4 ? .loopbackV4 : .loopbackV6, port)
            guard let own = await ListeningSockets.inodes(of: address) else {
                return ListenerOwners(processes: [], socketCount: nil)
            }
            inodes.formUnion(own)
            socketCount = max(socketCount, own.count)
        }
        guard !inodes.isEmpty else { return ListenerOwners(processes: [], socketCount: 0) }
        let links = Set(inodes.map { "socket:[\($0)]" })
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        let processes = names.compactMap { Int32($0) }.filter { owns(links, $0) }
        return ListenerOwners(processes: processes.sorted(), socketCount: socketCount)
    }

    private static func owns(_ links: Set<String>, _ process: Int32) -> Bool {
        let folder = "/proc/\(process)/fd"
        guard network("\(process)") == network("self"),
            let names = try? FileManager.default.contentsOfDirectory(atPath: folder)
        else { return false }
        return names.contains { name in
            (try? FileManager.default.destinationOfSymbolicLink(atPath: folder + "/" + name)).map(links.contains)
                ?? false
        }
    }

    private static func network(_ process: String) -> String? {
        try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/ns/net")
    }
}
