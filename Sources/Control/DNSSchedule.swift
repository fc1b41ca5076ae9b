import DNS
import Model

/// When each host name is looked up, and what is known of it: a pure value, time passed in (monotonic nanoseconds).
///
/// A name is asked for again when the time to live of its answer is over, a little later at random, so that a fleet does not
/// ask together. A failure, or the answer that there is no address, changes nothing: what was found last stays in use,
/// however old it becomes, and the name is asked for again after a pause that doubles. The same goes for one family where the
/// other was found; what was found is in use soon, however long the other's question takes.
struct DNSSchedule: Sendable {
    private struct Entry: Sendable {
        var nextAt: Int64
        var isAsked = false
        var failures = 0
        var status = DiscoveryStatus()
        var findings = DNSFindings()
        /// When the family that was found first is put into use without the other.
        var halfDue: Int64?
        /// What others have been told.
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
    /// So long a family that was found waits for the other: then the addresses of both are put into use at once.
    static let halfNanoseconds: Int64 = 500_000_000
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
        for host in due {
            entries[host]?.isAsked = true
            entries[host]?.findings.begin()
        }
        askedCount += due.count
        return due
    }

    /// Nanoseconds until something is due; nil: nothing is waiting.
    func delay(_ now: Int64) -> Int64? {
        let halves = entries.values.lazy.compactMap(\.halfDue).min()
        let asked = askedCount < Self.askedMax ? entries.values.lazy.filter { !$0.isAsked }.map(\.nextAt).min() : nil
        guard let first = [halves, asked].compactMap({ $0 }).min() else { return nil }
        return max(0, first - now)
    }

    /// A question of a lookup is answered. Returns the name's addresses if they are others than before.
    mutating func answered(
        _ host: String, _ family: DNSFamily, _ answer: DNSAnswer, now: Int64, random: inout some RandomNumberGenerator
    ) -> [IPAddress]? {
        guard var entry = entries[host], entry.isAsked, entry.findings.take(answer, family) else { return nil }
        defer { entries[host] = entry }
        guard entry.findings.isComplete else {
            if entry.findings.isFound { entry.halfDue = now + Self.halfNanoseconds }
            return nil
        }
        entry.isAsked = false
        entry.halfDue = nil
        askedCount -= 1
        plan(&entry, now, &random)
        return Self.apply(&entry)
    }

    /// Names of which one family was found and the other's answer takes too long. Returns the addresses of those where they
    /// are others than before.
    mutating func halves(_ now: Int64) -> [(host: String, addresses: [IPAddress])] {
        var changed: [(host: String, addresses: [IPAddress])] = []
        for (host, var entry) in entries {
            guard let due = entry.halfDue, due <= now else { continue }
            entry.halfDue = nil
            if let addresses = Self.apply(&entry) { changed.append((host, addresses)) }
            entries[host] = entry
        }
        return changed
    }

    private static func apply(_ entry: inout Entry) -> [IPAddress]? {
        guard entry.findings.isFound else { return nil }
        entry.findings.apply()
        let addresses = entry.findings.addresses
        guard entry.addresses != addresses else { return nil }
        entry.addresses = addresses
        return addresses
    }

    /// When the name is asked for next, and how it fares.
    private func plan(_ entry: inout Entry, _ now: Int64, _ random: inout some RandomNumberGenerator) {
        var next = Int64.max
        if let seconds = entry.findings.life {
            let life = min(max(Int64(seconds) * 1_000_000_000, Self.timeToLiveMin), Self.timeToLiveMax)
            next = now + life + Int64.random(in: 0...life / 10, using: &random)
        }
        if let problem = entry.findings.problem {
            let pause = min(Self.retryMin << Int64(min(entry.failures, 8)), Self.retryMax)
            entry.failures += 1
            next = min(next, now + Int64.random(in: pause / 2...pause, using: &random))
            if entry.findings.isFound {
                entry.status.foundPart(at: now, problem)
            } else {
                entry.status.failed(problem)
            }
        } else {
            entry.failures = 0
            entry.status.succeeded(at: now)
        }
        entry.nextAt = next
    }

    /// What was found last; nil: nothing yet.
    func addresses(_ host: String) -> [IPAddress]? { entries[host]?.addresses }

    /// Whether the name has been answered in some way.
    func isSettled(_ host: String) -> Bool { entries[host].map { $0.addresses != nil || $0.failures > 0 } ?? true }

    /// By host.
    var statuses: [String: DiscoveryStatus] { entries.mapValues(\.status) }
}
