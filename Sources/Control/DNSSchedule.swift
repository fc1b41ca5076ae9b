import DNS
import Model

/// When each host name is looked up, and what is known of it: a pure value, time passed in (monotonic nanoseconds).
///
/// A name is asked for again when the time to live of its answer is over, a little later at random, so that a fleet does not
/// ask together. A failure, or the answer that there is no address, changes nothing: what was found last stays in use,
/// however old it becomes, and the name is asked for again after a pause that doubles.
struct DNSSchedule: Sendable {
    private struct Entry: Sendable {
        var nextAt: Int64
        var isAsked = false
        var failures = 0
        var status = DiscoveryStatus()
        var addresses: [IPAddress]?
    }

    private var entries: [String: Entry] = [:]

    /// Also for answers that say 0: somebody's mistake must not become a flood.
    static let timeToLiveMin: Int64 = 1_000_000_000
    static let timeToLiveMax: Int64 = 3_600_000_000_000
    static let retryMin: Int64 = 500_000_000
    static let retryMax: Int64 = 30_000_000_000
    /// Lookups under way at once.
    static let askedMax = 64
    private var askedCount = 0

    /// These names, and no others, are looked up from now on.
    mutating func follow(_ hosts: Set<String>, now: Int64) {
        for host in hosts where entries[host] == nil { entries[host] = Entry(nextAt: now) }
        for (host, entry) in entries where !hosts.contains(host) {
            if entry.isAsked { askedCount -= 1 }
            entries[host] = nil
        }
    }

    /// Names whose time has come, to be asked for now.
    mutating func due(_ now: Int64) -> [String] {
        guard askedCount < Self.askedMax else { return [] }
        let due = entries.filter { !$0.value.isAsked && $0.value.nextAt <= now }
            .sorted { ($0.value.nextAt, $0.key) < ($1.value.nextAt, $1.key) }
            .prefix(Self.askedMax - askedCount).map(\.key)
        for host in due { entries[host]?.isAsked = true }
        askedCount += due.count
        return due
    }

    /// Nanoseconds until a name's time comes; nil: nothing is waiting.
    func delay(_ now: Int64) -> Int64? {
        guard askedCount < Self.askedMax else { return nil }
        return entries.values.lazy.filter { !$0.isAsked }.map(\.nextAt).min().map { max(0, $0 - now) }
    }

    /// A lookup is over. Returns the name's addresses if they are others than before.
    mutating func answered(
        _ host: String, _ answer: DNSAnswer, now: Int64, random: inout some RandomNumberGenerator
    ) -> [IPAddress]? {
        guard var entry = entries[host], entry.isAsked else { return nil }
        defer { entries[host] = entry }
        entry.isAsked = false
        askedCount -= 1
        guard case .addresses(let addresses, let seconds) = answer else {
            fail(&entry, answer, now, &random)
            return nil
        }
        entry.failures = 0
        entry.status.succeeded(at: now)
        let life = min(max(Int64(seconds) * 1_000_000_000, Self.timeToLiveMin), Self.timeToLiveMax)
        entry.nextAt = now + life + Int64.random(in: 0...life / 10, using: &random)
        guard entry.addresses != addresses else { return nil }
        entry.addresses = addresses
        return addresses
    }

    private func fail(
        _ entry: inout Entry, _ answer: DNSAnswer, _ now: Int64, _ random: inout some RandomNumberGenerator
    ) {
        let pause = min(Self.retryMin << Int64(min(entry.failures, 8)), Self.retryMax)
        entry.failures += 1
        entry.nextAt = now + Int64.random(in: pause / 2...pause, using: &random)
        var reason = "no such name, or no address"
        if case .failed(let text) = answer { reason = text }
        entry.status.failed(reason)
    }

    /// What was found last; nil: nothing yet.
    func addresses(_ host: String) -> [IPAddress]? { entries[host]?.addresses }

    /// Whether the name has been answered in some way.
    func isSettled(_ host: String) -> Bool { entries[host].map { $0.addresses != nil || $0.failures > 0 } ?? true }

    /// By host.
    var statuses: [String: DiscoveryStatus] { entries.mapValues(\.status) }
}
