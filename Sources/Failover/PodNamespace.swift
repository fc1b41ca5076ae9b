import FoundationEssentials
import Model
import Syscalls

/// Finds the network namespace that has an address: a pod's, on the pod's own host.
enum PodNamespace {
    private static let folders = ["/run/netns", "/var/run/netns", "/run/docker/netns"]

    /// The namespace in which a socket can be bound to `address`; nil: none that is visible here.
    static func find(_ address: IPAddress) -> NetworkNamespace? {
        let own = identity("/proc/self/ns/net")
        var seen: Set<String> = own.map { [$0] } ?? []
        for path in candidates() {
            // Names in /run/netns are bind mounts without a link to read: those are tried as they are.
            if let identity = identity(path), !seen.insert(identity).inserted { continue }
            guard let namespace = try? NetworkNamespace(path: path), has(address, namespace) else { continue }
            return namespace
        }
        return nil
    }

    private static func candidates() -> [String] {
        let named = folders.flatMap { folder in
            ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).map { "\(folder)/\($0)" }
        }
        let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return named + processes.compactMap { Int32($0) }.map { "/proc/\($0)/ns/net" }
    }

    private static func identity(_ path: String) -> String? {
        try? FileManager.default.destinationOfSymbolicLink(atPath: path)
    }

    private static func has(_ address: IPAddress, _ namespace: borrowing NetworkNamespace) -> Bool {
        do throws(Errno) {
            let socket = try namespace.socket(family: address.family)
            try socket.bind(to: SocketAddress(address, 0))
            return true
        } catch {
            return false
        }
    }
}
