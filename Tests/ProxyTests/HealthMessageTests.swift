import Testing

@testable import Proxy

@Suite struct HealthMessageTests {
    private func framed(_ message: [UInt8], flag: UInt8 = 0) -> ArraySlice<UInt8> {
        ([flag, 0, 0, 0, UInt8(message.count)] + message)[...]
    }

    @Test func statuses() {
        #expect(HealthMessage.isServing(framed([8, 1])) == true)
        #expect(HealthMessage.isServing(framed([])) == false, "unknown is the default")
        for status in [0, 2, 3, 127] as [UInt8] { #expect(HealthMessage.isServing(framed([8, status])) == false) }
        #expect(HealthMessage.isServing(framed([8, 0x81, 0])) == true, "a number may be longer than it need be")
        #expect(HealthMessage.isServing(framed([8, 2, 8, 1])) == true, "the last one counts")
    }

    @Test func otherFieldsAreSkipped() {
        let fields: [[UInt8]] = [
            [0x12, 3, 1, 2, 3], [0x18, 0xFF, 0x01], [0x21, 1, 2, 3, 4, 5, 6, 7, 8], [0x2D, 1, 2, 3, 4], [0x12, 0],
        ]
        for field in fields {
            #expect(HealthMessage.isServing(framed(field + [8, 1])) == true, "\(field)")
            #expect(HealthMessage.isServing(framed([8, 1] + field)) == true, "\(field)")
        }
    }

    @Test func whatIsNoMessageIsNone() {
        let serving: [UInt8] = [8, 1]
        #expect(HealthMessage.isServing(framed(serving, flag: 1)) == nil, "compressed")
        let whole = framed(serving)
        for count in 0..<whole.count { #expect(HealthMessage.isServing(whole.prefix(count)) == nil, "\(count)") }
        #expect(HealthMessage.isServing(whole + [0]) == nil)
        for message in [
            [8], [8, 0x80], [0x12], [0x12, 5, 1], [0x12, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1],
            [0x21, 1], [0x2D, 1], [0x0B], [0x0F], [UInt8](repeating: 0xFF, count: 12),
        ] as [[UInt8]] { #expect(HealthMessage.isServing(framed(message)) == nil, "\(message)") }
    }
}
