import FoundationEssentials
import Model

extension Readiness {
    /// What keeps a proxy that stands in for others from doing so.
    static func hostWarnings(_ snapshot: Snapshot?, acceptsMarks: () -> Bool) -> [String] {
        guard let configuration = snapshot?.configuration else { return [] }
        if configuration.failover.protects.isEmpty {
            let isRemote = configuration.node.mode == .remote
            return isRemote ? ["mode remote, but failover.protects names no host that this one stands in for"] : []
        }
        guard !acceptsMarks() else { return [] }
        return [
            "net.ipv4.tcp_fwmark_accept is not 1: connections of protected hosts are reset (unknown_host): "
                + "apusctl redirect install sets it"
        ]
    }

    /// Whether accepted sockets have their SYN's mark in this network namespace.
    public static func kernelAcceptsMarks() -> Bool {
        let value = try? String(contentsOfFile: "/proc/sys/net/ipv4/tcp_fwmark_accept", encoding: .utf8)
        return value?.first == "1"
    }
}
