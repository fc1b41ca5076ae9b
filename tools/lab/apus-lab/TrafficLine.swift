import Glibc
import Lab
import Model

/// Steady traffic on the screen while it runs: a letter for every 50 ms, for the proxy whose access log has the requests
/// that began then. Nothing is taken for granted: a request that is in no log is shown as such.
final class TrafficLine {
    /// Who carried a request out of the client's host.
    enum Path: Character {
        case local = "A"
        case remote = "C"
    }

    /// A request and where it went; nil: it failed, is under way, or its log line has died with a proxy.
    typealias Seen = (request: SteadyTraffic.Request, path: Path?)

    private let traffic: SteadyTraffic
    private let report: DemoReport
    private var tails: [(path: Path, tail: AccessTail)]
    private var paths: [SocketAddress: Path] = [:]
    /// Requests that began before are on the screen.
    private var drawn = ContinuousClock.now
    private var drawnRequests = 0
    private var marks: [(moment: ContinuousClock.Instant, text: String)] = []
    private var row = DemoReport.Row()

    private static let cell = Duration.milliseconds(50)
    private static let cellsPerRow = 80
    /// Logs are written several times a second: how long a success may wait for its line.
    private static let logPatience = Duration.milliseconds(300)

    init(_ traffic: SteadyTraffic, local: ProxyHost, remote: ProxyHost, report: DemoReport) throws {
        self.traffic = traffic
        self.report = report
        tails = [(.local, try local.accessTail()), (.remote, try remote.accessTail())]
    }

    /// Shows what happens now, and when that is.
    func mark(_ text: String) -> ContinuousClock.Instant {
        marks.append((.now, text))
        return marks[marks.count - 1].moment
    }

    /// Draws for a time.
    func watch(for time: Duration) throws {
        _ = try watch(within: time) { false }
    }

    /// Draws until something holds; false: it did not within `limit`.
    func watch(within limit: Duration, until holds: () throws -> Bool) throws -> Bool {
        try eventually(within: limit) {
            try draw()
            return try holds()
        }
    }

    /// Draws all that has begun until now, and ends the row.
    func finishRow() throws {
        let end = ContinuousClock.now
        _ = try watch(within: SteadyTraffic.patience * 4) { drawn >= end }
        report.end(&row)
    }

    /// The requests that were under way at `moment` or began later, and are drawn: they have ended, and their log lines
    /// had time to come.
    func requests(since moment: ContinuousClock.Instant) -> [Seen] {
        traffic.requests[..<drawnRequests].filter { $0.end.map { $0 >= moment } ?? true }.map { ($0, path(of: $0)) }
    }

    private func path(of request: SteadyTraffic.Request) -> Path? {
        request.failure == nil ? request.client.flatMap { paths[$0] } : nil
    }

    private func readLogs() throws {
        for index in tails.indices {
            for record in try tails[index].tail.next() where record.direction == "outbound" {
                guard let client = record.client.flatMap({ SocketAddress($0) }) else { continue }
                paths[client] = tails[index].path
            }
        }
    }

    // MARK: drawing

    private func draw() throws {
        try readLogs()
        let requests = traffic.requests
        while true {
            let mark = marks.first.flatMap { $0.moment <= drawn + Self.cell ? $0 : nil }
            let end = mark?.moment ?? drawn + Self.cell
            let cell = requests[drawnRequests...].prefix { $0.start < end }
            guard end < .now, cell.allSatisfy(isSettled) else { return }
            if mark == nil || !cell.isEmpty { put(letter(for: cell)) }
            if let mark { put(mark) }
            drawnRequests += cell.count
            drawn = end
        }
    }

    private func isSettled(_ request: SteadyTraffic.Request) -> Bool {
        guard let end = request.end else { return false }
        return request.failure != nil || path(of: request) != nil || .now - end > Self.logPatience
    }

    /// A failure is never hidden; otherwise the last request counts.
    private func letter(for cell: ArraySlice<SteadyTraffic.Request>) -> Character {
        guard let last = cell.last else { return " " }
        if cell.contains(where: { $0.failure != nil }) { return "x" }
        return path(of: last)?.rawValue ?? "?"
    }

    private func put(_ letter: Character) {
        let style: DemoReport.Style =
            switch letter {
            case Path.local.rawValue: .good
            case Path.remote.rawValue: .other
            default: .bad
            }
        report.add(String(letter), style, to: &row)
        if row.count >= Self.cellsPerRow { report.end(&row) }
    }

    private func put(_ mark: (moment: ContinuousClock.Instant, text: String)) {
        report.add(" \(mark.text) ", .plain, to: &row)
        marks.removeFirst()
    }
}
