import Foundation
import Testing

@testable import Admin

@Suite struct TimestampTests {
    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (-1_000_000, "1969-12-31T23:59:59.999Z"),
            (951_782_400_123_999_999, "2000-02-29T00:00:00.123Z"),
            (1_795_352_400_000_000_000, "2026-11-22T13:00:00.000Z"),
            (4_107_542_399_999_000_000, "2100-02-28T23:59:59.999Z"),
            (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000Z"),
            (Int64.min, "1677-09-21T00:12:43.145Z"), (Int64.max, "2262-04-11T23:47:16.854Z"),
        ] as [(Int64, String)])
    func instants(nanoseconds: Int64, text: String) {
        #expect(Timestamp.milliseconds(unixNanoseconds: nanoseconds) == text)
    }

    @Test func everyDayAgreesWithFoundation() {
        let formatter = ISO8601DateFormatter()
        for day in stride(from: -20000 as Int64, through: 60000, by: 7) {
            let seconds = day * 86400 + 3723
            let expected = formatter.string(from: Date(timeIntervalSince1970: Double(seconds)))
            #expect(Timestamp.seconds(unixSeconds: seconds) == expected)
        }
    }
}
