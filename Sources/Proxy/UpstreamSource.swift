import Model

/// Which address the proxy connects from.
enum UpstreamSource: Equatable {
    /// This address, which is not the host's own.
    case spoofed(IPAddress)
    /// The host's own, picked by the kernel's route.
    case own(Reason)

    /// Why the client's address is not used.
    enum Reason: Equatable {
        /// Explicit listeners never spoof, and `preserveSource: false` switches it off.
        case notAsked
        /// The endpoint is the client itself: a pod drops packets from its own address as martians.
        case hairpin
        /// The client has no address of the endpoint's family.
        case noFamily
    }

    /// Decides. `pod` is the client's, where it is a local one; `isSamePod` says whether the endpoint is that pod.
    static func decide(
        client: IPAddress, pod: PodRecord?, endpoint: IPAddress, isSamePod: Bool, preserve: Bool
    ) -> UpstreamSource {
        guard preserve else { return .own(.notAsked) }
        if client == endpoint || isSamePod { return .own(.hairpin) }
        if client.family == endpoint.family { return .spoofed(client) }
        guard let other = endpoint.isV4 ? pod?.v4 : pod?.v6 else { return .own(.noFamily) }
        return .spoofed(other)
    }
}
