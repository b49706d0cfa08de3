// How many pinned views of the store's file there are in this process.

import API

/// Counted where views begin and end; a member has one store.
public enum OpenReaders {
    public static let count = Gauge()
}
