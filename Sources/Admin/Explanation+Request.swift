extension Explanation {
    /// The way of a request through the filters and routes of one listener.
    public struct Request: Codable, Sendable, Equatable {
        /// A rule that stands before the one that matched.
        public struct Passed: Codable, Sendable, Equatable {
            /// The rule's name.
            public var rule: String
            /// The first condition that does not hold.
            public var why: String
        }
        /// Whose routes: `listener edge`, `outbound of pod shop/cart`.
        public var listener: String
        /// As routes see it: the path normalised.
        public var method: String, host: String, path: String
        /// Filters it meets, in order, those of the listener first.
        public var filters: [String]
        /// The route table; `cluster:NAME` where the listener has a cluster instead.
        public var table: String
        /// What decided on the virtual host (`by domain *.shop`); absent: none is for this host.
        public var domain: String?
        /// Rules of the virtual host that come before, the first 20 of them.
        public var passed: [Passed]
        /// The rule's name, its place in the virtual host from 0, and its match in words; absent: none matches.
        public var rule: String?, position: Int?, match: String?
        /// What comes of it, in words.
        public var action: String
        /// Timeout, retries, mirrors and the like, one by one.
        public var details: [String]
        /// The status it is answered with here; absent: it goes on.
        public var status: Int?
        /// As it is sent on, where the rule rewrites it.
        public var sentHost: String?, sentPath: String?
    }
}
