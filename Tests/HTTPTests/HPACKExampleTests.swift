import Testing

@testable import HTTP

/// RFC 7541 Appendix C: every example, to the last entry of the table behind it.
struct HPACKExampleTests {
    /// A block, the fields in it, and the dynamic table after it: newest first, and its size.
    struct Step: Sendable {
        let block: String
        let fields: [String]
        let table: [String]
        let size: Int
    }

    // MARK: - C.1

    @Test(arguments: [
        (10, UInt8(0x1f), [UInt8(0x0a)]), (1337, 0x1f, [0x1f, 0x9a, 0x0a]), (42, 0xff, [0x2a]),
    ])
    func integers(value: Int, mask: UInt8, bytes: [UInt8]) {
        var output = OutputBytes()
        output.buffer.appendInteger(value, mask: mask, bits: 0)
        #expect(output.bytes == bytes)
        var position = 0
        #expect(bytes.span.integer(&position, mask: mask) == value && position == bytes.count)
    }

    // MARK: - C.2

    @Test(arguments: [
        Step(
            block: "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
            fields: ["custom-key: custom-header"], table: ["custom-key: custom-header"], size: 55),
        Step(block: "040c 2f73 616d 706c 652f 7061 7468", fields: [":path: /sample/path"], table: [], size: 0),
        Step(
            block: "1008 7061 7373 776f 7264 0673 6563 7265 74", fields: ["password: secret (never indexed)"],
            table: [],
            size: 0),
        Step(block: "82", fields: [":method: GET"], table: [], size: 0),
    ])
    func fields(_ step: Step) {
        var reader = BlockReader(.request)
        #expect(reader.read(hex(step.block)) == step.fields)
        #expect(reader.table == step.table && reader.decoder.table.size == step.size)
    }

    // MARK: - C.3 to C.6

    static let requestSteps = [
        Step(
            block: "", fields: [":method: GET", ":path: /", ":authority: www.example.com"],
            table: [":authority: www.example.com"], size: 57),
        Step(
            block: "",
            fields: [":method: GET", ":path: /", ":authority: www.example.com", "cache-control: no-cache"],
            table: ["cache-control: no-cache", ":authority: www.example.com"], size: 110),
        Step(
            block: "",
            fields: [":method: GET", ":path: /index.html", ":authority: www.example.com", "custom-key: custom-value"],
            table: ["custom-key: custom-value", "cache-control: no-cache", ":authority: www.example.com"], size: 164),
    ]

    @Test(arguments: [
        // C.3
        [
            "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", "8286 84be 5808 6e6f 2d63 6163 6865",
            "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
        ],
        // C.4
        [
            "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", "8286 84be 5886 a8eb 1064 9cbf",
            "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
        ],
    ])
    func requests(_ blocks: [String]) {
        var reader = BlockReader(.request)
        for (block, step) in zip(blocks, Self.requestSteps) {
            #expect(reader.read(hex(block)) == step.fields)
            #expect(reader.table == step.table && reader.decoder.table.size == step.size)
        }
    }

    private static let first = "location: https://www.example.com"
    private static let date = "date: Mon, 21 Oct 2013 20:13:21 GMT"
    private static let later = "date: Mon, 21 Oct 2013 20:13:22 GMT"
    private static let cookie = "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"

    static let responseSteps = [
        Step(
            block: "", fields: [":status: 302", "cache-control: private", date, first],
            table: [first, date, "cache-control: private", ":status: 302"], size: 222),
        Step(
            block: "", fields: [":status: 307", "cache-control: private", date, first],
            table: [":status: 307", first, date, "cache-control: private"], size: 222),
        Step(
            block: "",
            fields: [":status: 200", "cache-control: private", later, first, "content-encoding: gzip", cookie],
            table: [cookie, "content-encoding: gzip", later], size: 215),
    ]

    @Test(arguments: [
        // C.5
        [
            """
            4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120
            474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d
            """, "4803 3330 37c1 c0bf",
            """
            88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738
            666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33
            3630 303b 2076 6572 7369 6f6e 3d31
            """,
        ],
        // C.6
        [
            """
            4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718
            63c7 8f0b 97c8 e9ae 82ae 43d3
            """, "4883 640e ffc1 c0bf",
            """
            88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7
            b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07
            """,
        ],
    ])
    func responses(_ blocks: [String]) {
        var reader = BlockReader(.response, tableSize: 256)
        for (block, step) in zip(blocks, Self.responseSteps) {
            #expect(reader.read(hex(block)) == step.fields)
            #expect(reader.table == step.table && reader.decoder.table.size == step.size)
        }
    }
}
