import Foundation

/// A host's access log as it grows: each call returns the records that have come since the last one.
public struct AccessTail: Sendable {
    private let path: String
    private var offset: UInt64 = 0

    /// From here on: what the log has now is passed over.
    init(path: String) throws {
        self.path = path
        _ = try next()
    }

    /// New records. A line that is still being written is left for the next call.
    public mutating func next() throws -> [AccessRecord] {
        guard let file = FileHandle(forReadingAtPath: path) else { return [] }
        defer { try? file.close() }
        try file.seek(toOffset: offset)
        let data = try file.readToEnd() ?? Data()
        guard let end = data.lastIndex(of: UInt8(ascii: "\n")) else { return [] }
        let lines = data[...end]
        offset += UInt64(lines.count)
        return try AccessRecord.parse(String(decoding: lines, as: UTF8.self))
    }
}
