import Foundation
import Logging
import Model
import Testing

@testable import Admin

@Suite struct AccessLogTests {
    private let folder: URL
    private let proxy: FakeProxy

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("apus-log-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        proxy = try FakeProxy(.sample())
    }

    private func record(_ change: (inout ConnectionRecord) -> Void = { _ in }) -> ConnectionRecord {
        var record = ConnectionRecord()
        record.startedWallNanoseconds = 1_795_352_400_000_000_000
        record.durationNanoseconds = 1_234_567_890
        record.connectNanoseconds = 456_789
        record.bytesSent = 10
        record.bytesReceived = 20
        record.generation = 1
        record.client = .known("10.1.0.2:40000")
        record.originalDestination = .known("10.96.0.1:5432")
        record.endpoint = .known("10.2.0.3:5432")
        record.source = .known("10.1.0.2:10300")
        record.pod = Int32(proxy.podSlot("shop/cart"))
        record.cluster = Int32(proxy.clusterSlot("postgres"))
        record.attempts = 1
        record.closedBy = .client
        record.spoken = .serverFirst
        change(&record)
        return record
    }

    private func writer(_ rings: [RecordRing], _ file: String, format: Configuration.AccessLog.Format = .json)
        -> AccessLogWriter
    {
        let writer = AccessLogWriter(
            rings: rings, names: proxy.names, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        writer.apply(Configuration.AccessLog(path: file, format: format))
        return writer
    }

    private func lines(_ path: String) throws -> [String] {
        try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map(String.init)
    }

    @Test func aLineHoldsEverythingAndNullsForTheRest() throws {
        let ring = RecordRing()
        let path = folder.appendingPathComponent("access.log").path
        #expect(ring.push(record()))
        #expect(
            ring.push(
                record {
                    $0.endpoint.port = 0
                    $0.source.port = 0
                    $0.cluster = -1
                    $0.connectNanoseconds = 0
                    $0.reason = .deniedOutbound
                    $0.closedBy = .proxy
                }))
        #expect(writer([ring], path).turn() == 2)
        let lines = try lines(path)
        #expect(
            lines[0] == """
                {"time":"2026-11-22T13:00:01.234Z","generation":1,"worker":0,"host":null,"pod":"shop/cart","destinationPod":null,\
                "listener":"outbound","direction":"outbound","client":"10.1.0.2:40000",\
                "originalDestination":"10.96.0.1:5432","cluster":"postgres","endpoint":"10.2.0.3:5432",\
                "source":"10.1.0.2:10300","attempts":1,"bytesSent":10,"bytesReceived":20,\
                "durationMilliseconds":1234.567,"connectMilliseconds":0.456,"responseFlag":"-","reason":"completed",\
                "closedBy":"client","detected":"server_first"}
                """)
        let second = try #require(
            try JSONSerialization.jsonObject(with: Data(lines[1].utf8)) as? [String: any Sendable])
        for key in ["destinationPod", "cluster", "endpoint", "source", "connectMilliseconds"] {
            #expect(second[key] is NSNull, "\(key)")
        }
        #expect(second["responseFlag"] as? String == "DENY_OUT" && second["closedBy"] as? String == "proxy")
    }

    @Test func textIsOneLineWithoutGaps() throws {
        let ring = RecordRing()
        let path = folder.appendingPathComponent("access.log").path
        #expect(ring.push(record { $0.cluster = -1 }))
        _ = writer([ring], path, format: .text).turn()
        #expect(
            try lines(path) == [
                """
                2026-11-22T13:00:01.234Z outbound 10.1.0.2:40000 -> 10.96.0.1:5432 host=- pod=shop/cart destinationPod=- \
                listener=outbound cluster=- endpoint=10.2.0.3:5432 source=10.1.0.2:10300 attempts=1 sent=10 \
                received=20 duration=1234.567ms flag=- reason=completed closedBy=client detected=server_first worker=0 generation=1
                """
            ])
    }

    @Test func namesCannotForgeALine() throws {
        var configuration = Configuration.sample()
        configuration.pods.append(
            Configuration.Pod(name: "evil\"\n{\"pod\":\\\u{1}", addresses: [.known("10.1.0.66")]))
        try proxy.publish(configuration)
        let slot = Int32(proxy.podSlot("evil\"\n{\"pod\":\\\u{1}"))
        for format in Configuration.AccessLog.Format.allCases {
            let ring = RecordRing()
            let path = folder.appendingPathComponent("\(format)").path
            #expect(ring.push(record { $0.pod = slot }))
            _ = writer([ring], path, format: format).turn()
            let lines = try lines(path)
            #expect(lines.count == 1)
            guard format == .json else { continue }
            let object = try JSONSerialization.jsonObject(with: Data(lines[0].utf8)) as? [String: any Sendable]
            #expect(object?["pod"] as? String == "evil\"\n{\"pod\":\\\u{1}")
        }
    }

    @Test func reopenFollowsARotation() throws {
        let ring = RecordRing()
        let path = folder.appendingPathComponent("access.log").path
        let writer = writer([ring], path)
        #expect(ring.push(record()))
        _ = writer.turn()
        try FileManager.default.moveItem(atPath: path, toPath: path + ".1")
        #expect(ring.push(record()))
        _ = writer.turn()
        writer.reopen()
        _ = writer.turn()
        #expect(FileManager.default.fileExists(atPath: path), "the new file is there before the next line")
        #expect(ring.push(record()))
        _ = writer.turn()
        #expect(try lines(path + ".1").count == 2)
        #expect(try lines(path).count == 1)
        #expect(writer.counts == AccessLogCounts(lines: 3, lost: 0, errors: 0))
    }

    @Test func aFullRingDropsAndSaysSoAndTheRestIsWritten() throws {
        let ring = RecordRing(capacity: 4)
        let pushed = (0..<6).map { _ in ring.push(record()) }
        #expect(pushed == [true, true, true, true, false, false])
        let path = folder.appendingPathComponent("access.log").path
        #expect(writer([ring], path).turn() == 4)
        #expect(try lines(path).count == 4)
        #expect(ring.push(record()))
    }

    @Test func aFullDiskLosesLinesAndCountsThem() throws {
        let ring = RecordRing()
        let writer = writer([ring], "/dev/full")
        for _ in 0..<3 {
            #expect(ring.push(record()))
            _ = writer.turn()
        }
        #expect(writer.counts == AccessLogCounts(lines: 0, lost: 3, errors: 3))
    }

    @Test func aPathThatCannotBeOpenedLosesLinesAndCountsThem() throws {
        let ring = RecordRing()
        let writer = writer([ring], folder.appendingPathComponent("no/such/folder").path)
        #expect(ring.push(record()))
        _ = writer.turn()
        #expect(writer.counts.lost == 1 && writer.counts.errors >= 1)
        let path = folder.appendingPathComponent("good.log").path
        writer.apply(Configuration.AccessLog(path: path))
        #expect(ring.push(record()))
        _ = writer.turn()
        #expect(try lines(path).count == 1)
    }

    @Test func withoutAnAccessLogRecordsAreDiscarded() {
        let ring = RecordRing(capacity: 2)
        let writer = writer([ring], "unused")
        writer.apply(nil)
        for _ in 0..<5 {
            #expect(ring.push(record()))
            #expect(writer.turn() == 1)
        }
        #expect(writer.counts == AccessLogCounts())
    }

    /// Two producers against the writer's own thread; what is pushed before the end is in the file.
    @Test func everythingIsWrittenBeforeItEnds() async throws {
        let rings = [RecordRing(capacity: 64), RecordRing(capacity: 64)]
        let path = folder.appendingPathComponent("access.log").path
        let writer = writer(rings, path)
        let running = Task { await writer.run() }
        let pushed = await withTaskGroup { group in
            for ring in rings {
                let record = record()
                group.addTask {
                    var pushed = 0
                    for _ in 0..<2000 {
                        if ring.push(record) { pushed += 1 } else { await Task.yield() }
                    }
                    return pushed
                }
            }
            return await group.reduce(0, +)
        }
        running.cancel()
        await running.value
        #expect(pushed >= 128)
        #expect(try lines(path).count == pushed)
        #expect(writer.counts.lines == pushed)
    }
}
