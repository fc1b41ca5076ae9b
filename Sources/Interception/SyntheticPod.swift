import Model
import Syscalls

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// A pod that the host has for the length of a test, or of the guard's life: a network namespace without a name, and a veth pair from it to the
/// host. Its packets enter the host as any pod's do.
///
/// Nothing of it can be left behind: the kernel removes namespace, devices and their routes with this process. It asks
/// for no neighbour (the entries are static), so a firewall that drops ARP or neighbour discovery is none of its worries.
public struct SyntheticPod: ~Copyable, Sendable {
    private static let hostLink = "02:61:70:75:73:01"
    private static let podLink = "02:61:70:75:73:02"

    /// The host's end of the veth pair.
    public let device: String
    private let namespace: NetworkNamespace
    private let claim: FileLock

    /// Why there is none.
    public struct Refusal: Error {
        /// For people.
        public var cause: String
    }

    private init(_ device: String, _ namespace: consuming NetworkNamespace, _ claim: consuming FileLock) {
        self.device = device
        self.namespace = namespace
        self.claim = claim
    }

    /// The host's end of the veth pair of a purpose.
    public static func device(_ purpose: RuleProbe.Purpose) -> String {
        switch purpose {
        case .status: "apus-probe"
        case .guard: "apus-guard"
        case .drill: "apus-drill"
        }
    }

    /// Makes one with the addresses of `RuleProbe`. Waits for another program's test on this host to end.
    public static func make(
        _ families: [IPAddress.Family], for purpose: RuleProbe.Purpose = .status
    ) async throws(Refusal) -> SyntheticPod {
        let device = device(purpose)
        let claim = try await Self.claim(device)
        let namespace = try Self.namespace()
        try await configure(namespace.path, families, device, purpose)
        return SyntheticPod(device, namespace, claim)
    }

    /// A socket in the pod.
    public func socket(_ family: IPAddress.Family) throws(Errno) -> Socket { try namespace.socket(family: family) }

    /// Removes it now. (The namespace takes the devices with it, but only some time after its last use.)
    public consuming func remove() async {
        _ = await Tool.run(Command("ip", ["link", "del", device]))
    }

    // MARK: making it

    private static func namespace() throws(Refusal) -> NetworkNamespace {
        do throws(Errno) {
            return try NetworkNamespace()
        } catch {
            throw Refusal(cause: "a network namespace: \(error): CAP_SYS_ADMIN is needed")
        }
    }

    /// There is one set of addresses, so one test at a time.
    private static func claim(_ device: String) async throws(Refusal) -> FileLock {
        for _ in 0..<200 {
            do throws(InterceptionError) {
                if let claim = try HostDirectory.lock(device) { return claim }
            } catch {
                throw Refusal(cause: "\(error)")
            }
            try? await Task.sleep(for: .milliseconds(100))
        }
        throw Refusal(cause: "another test of the rules is running on this host")
    }

    private static func configure(
        _ namespace: String, _ families: [IPAddress.Family], _ device: String, _ purpose: RuleProbe.Purpose
    ) async throws(Refusal) {
        // The one before may still be there: its namespace is on its way out.
        _ = await Tool.run(Command("ip", ["link", "del", device]))
        try await perform(
            Command(
                "ip",
                [
                    "link", "add", device, "address", hostLink, "type", "veth", "peer", "name", "eth0", "address",
                    podLink,
                    "netns", namespace,
                ]))
        // Hosts that keep IPv6 off on new devices have it on on their pods'.
        _ = await Step.Action.write(path: "/proc/sys/net/ipv6/conf/\(device)/disable_ipv6", value: "0").perform()
        try await perform(Command("ip", ["-batch", "-"], input: hostText(families, device, purpose)))
        let text = podText(families, purpose)
        try await perform(Command("nsenter", ["--net=\(namespace)", "ip", "-batch", "-"], input: text))
    }

    private static func perform(_ command: Command) async throws(Refusal) {
        let result = await Tool.run(command)
        guard result.succeeded else { throw Refusal(cause: "\(command.tool): \(result.complaint)") }
    }

    private static func hostText(
        _ families: [IPAddress.Family], _ device: String, _ purpose: RuleProbe.Purpose
    ) -> String {
        families.reduce("link set \(device) up\n") { text, family in
            let pod = RuleProbe.client(family, purpose)
            return text
                + "route add \(pod) dev \(device)\nneighbor add \(pod) lladdr \(podLink) dev \(device) nud permanent\n"
        }
    }

    private static func podText(_ families: [IPAddress.Family], _ purpose: RuleProbe.Purpose) -> String {
        families.reduce("link set eth0 up\n") { text, family in
            let destination = RuleProbe.destination(family).address
            let pod = "\(RuleProbe.client(family, purpose))/\(family == .v4 ? 32 : 128)"
            // Duplicate address detection would hold the address back for a second.
            return text
                + "address add \(pod) dev eth0\(family == .v6 ? " nodad" : "")\nroute add \(destination) dev eth0\n"
                + "neighbor add \(destination) lladdr \(hostLink) dev eth0 nud permanent\n"
                + "route add default via \(destination) dev eth0\n"
        }
    }
}
