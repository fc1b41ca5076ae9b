import Foundation

/// What the process holds.
enum Memory {
    /// Resident bytes, from /proc/self/statm; 0 when it cannot be read.
    static func residentBytes() -> Int {
        let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .ascii)) ?? ""
        let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        return pages * 4096
    }
}
