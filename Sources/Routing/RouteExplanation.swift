import Model

/// The way of a request through a route table, in words. For operators: it allocates.
public struct RouteExplanation: Sendable, Equatable {
    /// One thing that was looked at.
    public struct Step: Sendable, Equatable {
        /// What it is, such as `virtual host 2` or `rule shop/2/0`.
        public var subject: String
        /// Whether the request goes on with it.
        public var isChosen: Bool
        /// Why, or why not.
        public var reason: String

        /// A step.
        public init(subject: String, isChosen: Bool, reason: String) {
            self.subject = subject
            self.isChosen = isChosen
            self.reason = reason
        }
    }

    /// In the order in which things are looked at.
    public var steps: [Step] = []
    /// For `RouteView.rule`; nil: answered with 404.
    public var rule: Int?
    /// The rule's name.
    public var routeName: String?
    /// What the rule does, such as `forwards to cluster a`; empty without a rule.
    public var action = ""
    /// The clusters that it may go to.
    public var targets: [RouteTarget] = []

    /// Rules that do not match are listed up to this number.
    public static let rulesListedMax = 20
}
