namespace ImageFs.BTrees;

internal static class BtreeQuery
{
    public delegate bool Visit<TRecord>(in TRecord record);

    public static void Range<TKind, TRecord, TKey>(BtreeHome home, in TKey low, in TKey high, Visit<TRecord> visit)
        where TKind : struct, IBtreeKind<TRecord, TKey> where TRecord : unmanaged where TKey : unmanaged
    {
        BtreeCursor<TKind, TRecord, TKey> cursor = new(home);
        for (bool more = cursor.First(); more; more = cursor.Next())
        {
            TRecord r = cursor.Current;
            if (TKind.Compare(TKind.KeyOf(r), high) > 0) return;
            if (TKind.Compare(TKind.HighKeyOf(r), low) >= 0 && !visit(r)) return;
        }
    }
}
