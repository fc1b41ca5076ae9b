/// One filter as `tc -j filter show` prints it, as far as it has to be known again.
struct TrafficFilter: Sendable, Equatable, Decodable {
    /// What a u32 filter compares.
    struct Match: Sendable, Equatable, Decodable {
        var value: String
        var mask: String
        var offset: Int

        private enum CodingKeys: String, CodingKey {
            case value, mask
            case offset = "off"
        }
    }

    var preference: Int?
    var kind: String?
    var match: Match?
    /// Where mirred leads what matches, as though it had come in there.
    var target: String?

    private enum CodingKeys: String, CodingKey { case pref, kind, options }
    private struct Options: Decodable {
        var match: Match?
        var actions: [Action]?
    }
    private struct Action: Decodable {
        var kind, mirred_action, direction, to_dev: String?
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        preference = try container.decodeIfPresent(Int.self, forKey: .pref)
        kind = try container.decodeIfPresent(String.self, forKey: .kind)
        // Filters of other kinds have options of other shapes.
        guard kind == "u32", let options = try? container.decodeIfPresent(Options.self, forKey: .options) else {
            return
        }
        match = options.match
        let action = options.actions?.first
        if options.actions?.count == 1, action?.kind == "mirred", action?.mirred_action == "redirect",
            action?.direction == "ingress"
        {
            target = action?.to_dev
        }
    }
}
