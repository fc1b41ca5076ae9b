import FoundationEssentials

/// What the kernel says about this process (proc(5)), for the `process_` metrics that every Prometheus client exports.
/// A number the kernel does not tell is nil and its series is left out.
struct ProcessUsage {
    /// Resident set, bytes.
    var residentBytes: Int?
    /// Open descriptors, and how many may be.
    var openDescriptors: Int?, descriptorsMax: Int?
    /// User and system time, seconds.
    var cpuSeconds: Double?
    /// When the process began, seconds since 1970.
    var startUnixSeconds: Double?
    /// Threads.
    var threads: Int?

    /// Reads /proc/self.
    static func current() -> ProcessUsage {
        var usage = ProcessUsage()
        // One less: the listing itself holds a descriptor.
        usage.openDescriptors = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd"))
            .map { max(0, $0.count - 1) }
        usage.descriptorsMax = read("/proc/self/limits").flatMap(descriptorsMax)
        usage.residentBytes = read("/proc/self/status").flatMap(residentBytes)
        if let stat = read("/proc/self/stat") { usage.fill(stat: stat, bootSeconds: bootSeconds()) }
        return usage
    }

    /// Fills in what a line of /proc/PID/stat holds. The kernel counts in USER_HZ, which is 100 on every Linux
    /// architecture Swift runs on.
    mutating func fill(stat: String, bootSeconds: Double?) {
        // The second field is the program's name in parentheses and may hold spaces and parentheses itself.
        guard let end = stat.lastIndex(of: ")") else { return }
        // The first of these is field 3 of proc(5).
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        func field(_ number: Int) -> Int? { fields.count > number - 3 ? Int(fields[number - 3]) : nil }
        if let user = field(14), let system = field(15) { cpuSeconds = Double(user + system) / 100 }
        threads = field(20)
        if let start = field(22), let bootSeconds { startUnixSeconds = bootSeconds + Double(start) / 100 }
    }

    private static func bootSeconds() -> Double? {
        guard let line = read("/proc/stat")?.split(separator: "\n").first(where: { $0.hasPrefix("btime ") }) else {
            return nil
        }
        return Double(line.dropFirst("btime ".count))
    }

    /// The soft limit of the line `Max open files  1024  4096  files`.
    private static func descriptorsMax(_ limits: String) -> Int? {
        let prefix = "Max open files"
        guard let line = limits.split(separator: "\n").first(where: { $0.hasPrefix(prefix) }) else { return nil }
        return line.dropFirst(prefix.count).split(separator: " ").first.flatMap { Int($0) }
    }

    /// The line `VmRSS:  12345 kB`.
    private static func residentBytes(_ status: String) -> Int? {
        let prefix = "VmRSS:"
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix(prefix) }) else { return nil }
        return line.dropFirst(prefix.count).split(whereSeparator: \.isWhitespace).first.flatMap { Int($0) }
            .map { $0 * 1024 }
    }

    private static func read(_ path: String) -> String? { try? String(contentsOfFile: path, encoding: .utf8) }
}
