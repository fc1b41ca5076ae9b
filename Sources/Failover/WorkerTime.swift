import FoundationEssentials

/// CPU time of a proxy's workers, as /proc tells: whether it makes progress, however slow.
///
/// Workers alone: the admin thread of a proxy that hangs still answers the guard, and is no sign of life of the others.
struct WorkerTime {
    private let threads: [String]

    /// The threads of a process.
    init(process: Int32) {
        let folder = "/proc/\(process)/task"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        let all = names.map { "\(folder)/\($0)" }
        let workers = all.filter { Self.text($0 + "/comm").hasPrefix("worker-") }
        threads = workers.isEmpty ? all : workers
    }

    /// What each has used, nanoseconds, by thread.
    func read() -> [String: UInt64] {
        Dictionary(threads.map { ($0, Self.used($0)) }) { first, _ in first }
    }

    /// Clock ticks, as /proc shows them to programs: a hundred a second on every machine.
    private static let tick: UInt64 = 10_000_000

    /// In ticks where the kernel does not count nanoseconds.
    private static func used(_ thread: String) -> UInt64 {
        if let first = text(thread + "/schedstat").split(separator: " ").first, let time = UInt64(first) { return time }
        // The name, in parentheses, may hold spaces; 11 and 12 fields after it are user and system time (proc(5)).
        let stat = text(thread + "/stat")
        guard let end = stat.lastIndex(of: ")") else { return 0 }
        let fields = stat[end...].split(separator: " ")
        guard fields.count > 13, let user = UInt64(fields[12]), let system = UInt64(fields[13]) else { return 0 }
        return (user &+ system) &* tick
    }

    private static func text(_ path: String) -> String { (try? String(contentsOfFile: path, encoding: .utf8)) ?? "" }
}
