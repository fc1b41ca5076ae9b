import Model
import Syscalls

/// What became of one real connection through the rules: a synthetic pod dials a destination that only a worker of the
/// proxy answers (see `RuleProbe`).
public struct ConnectionCheck: Sendable, Equatable, Codable {
    /// How it ended.
    public enum Outcome: String, Sendable, Codable {
        /// A worker answered: rules, routes, firewalls and proxy work together.
        case answered
        /// Nothing can be said: no proxy listens, or the host does not let us make a pod.
        case notTried
        /// A proxy listens, and the connection did not reach it or was not answered.
        case failed
    }

    /// `IPv4` or `IPv6`.
    public var family: String
    /// See `Outcome`.
    public var outcome: Outcome
    /// The worker that answered.
    public var worker: Int?
    /// The generation of its configuration.
    public var generation: UInt64?
    /// From the SYN to the answer.
    public var milliseconds: Double?
    /// Why it was not tried; at which step it failed, and where to look.
    public var detail: String?

    /// One connection per family, one after the other.
    static func all(_ state: InstallState) async -> [ConnectionCheck] {
        guard let port = state.outboundPort else {
            return state.families.map { notTried($0, "installed by an earlier version: run redirect install") }
        }
        var checks: [ConnectionCheck] = []
        var tried: [IPAddress.Family] = []
        for family in state.families {
            if let idle = await withoutListener(family, port, state) {
                checks.append(idle)
            } else {
                tried.append(family)
            }
        }
        guard !tried.isEmpty else { return checks }
        do throws(SyntheticPod.Refusal) {
            let pod = try await SyntheticPod.make(tried)
            for family in tried {
                var check = connect(family, from: pod)
                // It may have ended, or begun to drain, meanwhile.
                if check.outcome == .failed { check = await withoutListener(family, port, state) ?? check }
                checks.append(check)
            }
            await pod.remove()
        } catch {
            checks += tried.map { notTried($0, error.cause) }
        }
        return checks.sorted { $0.family < $1.family }
    }

    /// What there is to say when no proxy listens; nil: one does.
    private static func withoutListener(
        _ family: IPAddress.Family, _ port: UInt16, _ state: InstallState
    ) async -> ConnectionCheck? {
        let listener = SocketAddress(family == .v4 ? .loopbackV4 : .loopbackV6, port)
        guard await !ListeningSockets.has(listener) else { return nil }
        return notTried(family, "no proxy listens on \(listener): new connections \(state.meeting)")
    }

    private static func notTried(_ family: IPAddress.Family, _ detail: String) -> ConnectionCheck {
        ConnectionCheck(family: family.name, outcome: .notTried, detail: detail)
    }

    private static func connect(_ family: IPAddress.Family, from pod: borrowing SyntheticPod) -> ConnectionCheck {
        let start = Clock.monotonic()
        do throws(ProbeConnection.Failure) {
            let answer = try ProbeConnection.start(family, from: pod).answer()
            let nanoseconds = Clock.monotonic() - start
            return ConnectionCheck(
                family: family.name, outcome: .answered, worker: answer.worker, generation: answer.generation,
                milliseconds: Double(nanoseconds / 10_000) / 100)
        } catch {
            return ConnectionCheck(family: family.name, outcome: .failed, detail: "\(error)")
        }
    }
}

extension ConnectionCheck: CustomStringConvertible {
    /// `IPv4: answered by worker 1, generation 3, in 0.84 ms`.
    public var description: String {
        switch outcome {
        case .answered:
            "\(family): answered by worker \(worker ?? 0), generation \(generation ?? 0), in \(milliseconds ?? 0) ms"
        case .notTried: "\(family): not tried: \(detail ?? "")"
        case .failed: "\(family): failed: \(detail ?? "")"
        }
    }
}

extension InstallState {
    /// What a new connection meets while nobody listens.
    fileprivate var meeting: String {
        guard !nftText.isEmpty else { return "time out (without nf_tables failover.policy is not honoured)" }
        switch answer {
        case "drop": return "are reset (failover.policy: drop)"
        case "remote": return "go to a remote proxy (failover.policy: remote)"
        default: return "pass by the host's own rules (failover.policy: direct)"
        }
    }
}
