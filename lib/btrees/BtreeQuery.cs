namespace ImageFs.BTrees;

/// <summary>Range queries that hand each record to a delegate.</summary>
internal static class BtreeQuery
{
    /// <summary>Looks at one record; false ends the query. It must not change the tree.</summary>
    public delegate bool Visit<TRecord>(in TRecord record);

    /// <summary>All records whose interval from low key to high key meets [low, high], in order.</summary>
    /// <remarks>In rmapbt, where records overlap, only subtrees that reach far enough are entered.</remarks>
    public static void Range<TKind, TRecord, TKey>(BtreeHome home, in TKey low, in TKey high, Visit<TRecord> visit)
        where TKind : struct, IBtreeKind<TRecord, TKey>
        where TRecord : unmanaged
        where TKey : unmanaged
    {
        BtreeCursor<TKind, TRecord, TKey> cursor = new(home);
        for (bool more = cursor.FirstMeeting(low, high); more; more = cursor.NextMeeting(low, high))
            if (!visit(cursor.Current)) return;
    }
}
