import Interception
import Model
import Syscalls

/// A drill: the new connections of one pod are led past the local proxy for a moment, real ones are made, and what comes
/// of them is compared with what the policy promises. Nobody else's connections are touched. The rules forget the pod
/// afterwards, also when the one who asked has gone; a guard that dies meanwhile leaves it to the next one.
extension Guard {
    /// Why there is no drill.
    struct DrillRefused: Error, CustomStringConvertible {
        var description: String
    }

    func drill(pod name: String?, to text: String?) async throws -> DrillView {
        guard inForce != nil else { throw DrillRefused(description: "the rules are not installed") }
        guard drilled.isEmpty else { throw DrillRefused(description: "another drill is running") }
        var target: SocketAddress?
        if let text {
            target = SocketAddress(text)
            if target == nil { throw DrillRefused(description: "to: \(text): expected ADDR:PORT or [IPv6]:PORT") }
        }
        let pod = try name.map(find)
        if pod != nil, target == nil {
            throw DrillRefused(description: "a drill of a pod needs something to dial: give to=ADDR:PORT")
        }
        let families = target.map { [$0.address.family] } ?? families
        let addresses = pod?.addresses ?? families.map { RuleProbe.client($0, .drill) }
        let answer = Self.answer(wish, configuration.failover, pod?.failoverPolicy)
        drilled = addresses.map(\.description)
        await settled()
        var view = DrillView(
            succeeded: false, pod: pod?.name ?? "synthetic", answer: answer.rawValue, connections: [], notes: [])
        if let problem = switchProblem {
            view.notes.append("rules: \(problem)")
        } else {
            view = await connect(
                view, families.map { target ?? RuleProbe.destination($0) }, pod, addresses, answer, target)
        }
        drilled = []
        await settled()
        if let problem = switchProblem { view.notes.append("the drill could not be ended: rules: \(problem)") }
        note(
            view.succeeded ? .notice : .error,
            "drill: \(view.pod): \(view.succeeded ? "as promised" : "not as promised")",
            ["answer": "\(view.answer)"])
        return view
    }

    private func find(_ name: String) throws -> Configuration.Pod {
        guard let pod = configuration.pods.first(where: { $0.name == name && $0.host == 0 }) else {
            throw DrillRefused(description: "pod \(name): no pod of this host has this name")
        }
        return pod
    }

    static func answer(
        _ state: FailoverState, _ failover: Configuration.Failover, _ own: [Configuration.Failover.Answer]?
    ) -> Configuration.Failover.Answer {
        var policy = failover
        if let own { policy.policy = own }
        return answer(state, policy)
    }

    private func connect(
        _ start: DrillView, _ targets: [SocketAddress], _ pod: Configuration.Pod?, _ addresses: [IPAddress],
        _ answer: Configuration.Failover.Answer, _ asked: SocketAddress?
    ) async -> DrillView {
        var view = start
        if answer == .direct, asked == nil {
            view.notes.append("direct: nothing was dialled: give --to ADDR:PORT, some server that the pods reach")
            return view
        }
        do throws(DrillRefused) {
            let source = try await Self.source(pod, addresses)
            for target in targets {
                guard let address = addresses.first(where: { $0.family == target.address.family }) else { continue }
                view.connections.append(await Self.dial(source, address, target, answer))
            }
            await source.remove()
        } catch {
            view.notes.append(error.description)
        }
        view.succeeded = !view.connections.isEmpty && view.connections.allSatisfy(\.isExpected)
        return view
    }

    // MARK: connections

    /// Where the connections of a drill begin.
    private enum Source: Sendable {
        case synthetic(Parcel<SyntheticPod>)
        case pod(Parcel<NetworkNamespace>)

        /// A socket there, bound to the pod's address.
        func socket(_ address: IPAddress) -> Parcel<Descriptor>? {
            let made: Parcel<Descriptor>?? =
                switch self {
                case .synthetic(let pod): pod.inspect { Self.bound(try? $0.socket(address.family), address) }
                case .pod(let namespace):
                    namespace.inspect { Self.bound(try? $0.socket(family: address.family), address) }
                }
            return made ?? nil
        }

        private static func bound(_ socket: consuming Socket?, _ address: IPAddress) -> Parcel<Descriptor>? {
            guard let socket else { return nil }
            try? socket.bind(to: SocketAddress(address, 0))
            return Parcel(socket.release())
        }

        func remove() async {
            if case .synthetic(let pod) = self, let pod = pod.take() { await pod.remove() }
        }
    }

    private static func source(
        _ pod: Configuration.Pod?, _ addresses: [IPAddress]
    ) async throws(DrillRefused) -> Source {
        if let pod {
            guard let address = addresses.first, let namespace = PodNamespace.find(address) else {
                throw DrillRefused(
                    description:
                        "pod \(pod.name): its network namespace is not visible here: a drill from it needs the "
                        + "host's PID namespace or /run/netns")
            }
            return .pod(Parcel(namespace))
        }
        do {
            return .synthetic(Parcel(try await SyntheticPod.make(addresses.map(\.family), for: .drill)))
        } catch {
            throw DrillRefused(description: "the synthetic pod: \(error.cause)")
        }
    }

    private static func dial(
        _ source: Source, _ address: IPAddress, _ target: SocketAddress, _ answer: Configuration.Failover.Answer
    ) async -> DrillView.Connection {
        let result = await offPool { () -> (outcome: DrillConnection.Outcome, nanoseconds: Int64) in
            guard let descriptor = source.socket(address)?.take() else { return (.refused, 0) }
            return DrillConnection.dial(Socket(taking: descriptor), to: target)
        }
        let isExpected =
            switch answer {
            case .drop: result.outcome == .refused
            case .remote, .direct: result.outcome == .answered || result.outcome == .connected
            }
        return DrillView.Connection(
            destination: "\(target)", outcome: result.outcome.rawValue,
            milliseconds: Double(result.nanoseconds / 10_000) / 100, isExpected: isExpected)
    }

    /// Blocking calls are not for the pool's few threads.
    private static func offPool<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            do throws(Errno) {
                try Thread(name: "drill") { continuation.resume(returning: body()) }.detach()
            } catch {
                continuation.resume(returning: body())
            }
        }
    }
}
