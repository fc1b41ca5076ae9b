import Foundation
import Logging
import SystemPackage
import Testing

@testable import Admin

@Suite struct LogHandlerTests {
    private let handler = StderrLogHandler(label: "apusd", level: ProcessLogLevel())

    private func line(_ format: StderrLogHandler.Format, _ message: String, _ fields: Logger.Metadata) -> String {
        let handler = StderrLogHandler(label: "apusd", format: format, level: ProcessLogLevel())
        let bytes = handler.line(time: 1_795_352_400_123_000_000, level: .info, message: message, fields: fields)
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test func textQuotesWhatHasSpaces() {
        #expect(
            line(.text, "reloaded", ["generation": "2", "file": "a b\n.yaml"])
                == "2026-11-22T13:00:00.123Z info apusd: reloaded file=\"a b\\n.yaml\" generation=2\n")
    }

    @Test func aMessageCannotForgeARecord() {
        #expect(line(.text, "one\n2026 error apusd: two", [:]).split(separator: "\n").count == 1)
    }

    @Test func jsonIsAnObjectALine() throws {
        let text = line(.json, "say \"hi\"\n", ["level": "mine", "pod": "a/b"])
        #expect(text.hasSuffix("}\n") && text.split(separator: "\n").count == 1)
        let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: String]
        #expect(
            object == [
                "time": "2026-11-22T13:00:00.123Z", "level": "info", "logger": "apusd", "message": "say \"hi\"\n",
                "level_": "mine", "pod": "a/b",
            ])
    }

    @Test func theProcessLevelReachesLoggersMadeBefore() throws {
        let pipe = try FileDescriptor.pipe()
        let level = ProcessLogLevel(.info)
        let logger = Logger(label: "x") {
            StderrLogHandler(label: $0, format: .text, level: level, output: pipe.writeEnd)
        }
        logger.debug("hidden")
        level.value = .debug
        logger.debug("shown", metadata: ["key": "value"])
        try pipe.writeEnd.close()
        let handle = FileHandle(fileDescriptor: pipe.readEnd.rawValue, closeOnDealloc: true)
        let text = String(decoding: try #require(try handle.readToEnd()), as: UTF8.self)
        #expect(text.hasSuffix(" debug x: shown key=value\n") && text.split(separator: "\n").count == 1, "\(text)")
    }
}
