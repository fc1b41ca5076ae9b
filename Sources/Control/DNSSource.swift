import DNS
import Foundation
import Glibc
import Model
import Synchronization

/// The source of endpoints that is DNS: looks up the names of `discovery: {dns: ...}`, in a thread of its own, and says when
/// their addresses change.
///
/// What it asks and when is `DNSSchedule`'s; this only executes. Every lookup after a quiet moment reads resolv.conf anew.
public final class DNSSource: Sendable {
    /// Other addresses for a name.
    public struct Update: Sendable, Equatable {
        /// With the port.
        public let name: Configuration.DNSName
        /// All of its addresses, in ascending order.
        public let endpoints: [Configuration.Endpoint]
    }

    /// Changes, in the order in which they were found. One consumer.
    public let updates: AsyncStream<Update>
    private let updated: AsyncStream<Update>.Continuation
    private let board: DiscoveryBoard
    private let servers: String?
    private let state = Mutex(State())
    private let wakeup = DNSWakeup()

    private struct State {
        var schedule = DNSSchedule()
        var names: Set<Configuration.DNSName> = []
        var isRunning = false
    }

    /// A source without names. `servers` (`ADDRESS:PORT`, separated by commas) are asked instead of those of resolv.conf;
    /// how names fare is shown on `board`.
    public init(board: DiscoveryBoard, servers: String? = nil) {
        self.board = board
        self.servers = servers
        (updates, updated) = AsyncStream.makeStream()
    }

    /// Looks up these names from now on, and no others. Returns what is known of them, having waited up to `timeout` for
    /// first answers about new ones.
    public func follow(
        _ names: Set<Configuration.DNSName>, within timeout: Duration = .seconds(2)
    ) async -> [Configuration.DNSName: [Configuration.Endpoint]] {
        begin(names)
        guard !names.isEmpty else { return [:] }
        let deadline = ContinuousClock.now + timeout
        while !isSettled(names), ContinuousClock.now < deadline, !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(5))
        }
        return state.withLock { state in
            var known: [Configuration.DNSName: [Configuration.Endpoint]] = [:]
            for name in names {
                known[name] = state.schedule.addresses(name.host).map { Self.endpoints(name, $0) }
            }
            return known
        }
    }

    /// Looks up these names from now on, and no others.
    public func follow(only names: Set<Configuration.DNSName>) { begin(names) }

    private static func endpoints(
        _ name: Configuration.DNSName, _ addresses: [IPAddress]
    ) -> [Configuration.Endpoint] {
        addresses.map { Configuration.Endpoint(address: SocketAddress($0, name.port)) }
    }

    private func isSettled(_ names: Set<Configuration.DNSName>) -> Bool {
        state.withLock { state in names.allSatisfy { state.schedule.isSettled($0.host) } }
    }

    private func begin(_ names: Set<Configuration.DNSName>) {
        let isFirst = state.withLock { state in
            state.names = names
            state.schedule.follow(Set(names.map(\.host)), now: Self.now())
            defer { state.isRunning = state.isRunning || !names.isEmpty }
            return !state.isRunning && !names.isEmpty
        }
        if isFirst {
            let thread = Thread { self.run() }
            thread.name = "dns"
            thread.start()
        }
        wakeup.wake()
    }

    static func now() -> Int64 {
        var time = timespec()
        // The struct lives for the call.
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}

// MARK: - the thread

extension DNSSource {
    /// How long it sleeps when nothing is to be done.
    private static let sleepMax: Int32 = 60_000
    /// Before it tries again when there is no channel to be had.
    private static let channelPause: UInt32 = 1_000_000

    private func run() {
        var channel: DNSChannel?
        var random = SystemRandomNumberGenerator()
        while true {
            let (due, delay) = state.withLock { state in
                let due = state.schedule.due(Self.now())
                return (due, state.schedule.delay(Self.now()))
            }
            if !due.isEmpty, channel == nil { channel = open() }
            if let channel { due.forEach(channel.ask) } else if !due.isEmpty { refuse(due, &random) }
            let milliseconds = Int32(clamping: min((delay ?? .max) / 1_000_000 + 1, Int64(Self.sleepMax)))
            guard let busy = channel else {
                wakeup.sleep(milliseconds: milliseconds)
                continue
            }
            take(busy.wait(milliseconds: milliseconds, wakeup: wakeup), &random)
            if busy.pending == 0 { channel = nil }
        }
    }

    private func open() -> DNSChannel? {
        do throws(DNSError) {
            return try DNSChannel(servers: servers)
        } catch {
            usleep(Self.channelPause)
            return nil
        }
    }

    private func refuse(_ hosts: [String], _ random: inout SystemRandomNumberGenerator) {
        let answers = hosts.flatMap { host in
            DNSFamily.allCases.map {
                DNSChannel.Answered(host: host, family: $0, answer: .failed("no resolver"))
            }
        }
        take(answers, &random)
    }

    /// Takes in answers, and what has waited for the rest for long enough; tells of what has changed, and how names fare.
    private func take(_ answers: [DNSChannel.Answered], _ random: inout SystemRandomNumberGenerator) {
        let now = Self.now()
        let updates = state.withLock { state -> [Update] in
            var changed: [(host: String, addresses: [IPAddress])] = []
            for answered in answers {
                let addresses = state.schedule.answered(
                    answered.host, answered.family, answered.answer, now: now, random: &random)
                if let addresses { changed.append((answered.host, addresses)) }
            }
            changed += state.schedule.halves(now)
            if !answers.isEmpty { board.set(state.schedule.statuses) }
            return changed.flatMap { host, addresses in
                state.names.filter { $0.host == host }
                    .map { Update(name: $0, endpoints: Self.endpoints($0, addresses)) }
            }
        }
        for update in updates { updated.yield(update) }
    }
}
