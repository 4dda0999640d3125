using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Journal;

namespace ImageFs.Recovering;

/// <content>
/// Exchanges of mappings. An intent is what is left of one: each step replaced it by one of less. So it goes on here, however
/// much is left: a checkpoint now and then says how far it got.
/// </content>
internal sealed partial class IntentFinisher
{
    private const int StepsPerTransaction = 64;

    private void ExchangeMappings(ExchangeIntent intent, StandingIntent standing)
    {
        (Inode one, Inode two) = ExchangePartners(intent);
        MappingExchange exchange = new(_map, one, two, intent);
        for (bool more = true; more;)
            Run(intent.Name, tx =>
            {
                int steps = 0;
                do more = exchange.TryStep(tx);
                while (more && ++steps < StepsPerTransaction && tx.Bytes < _journal.BatchLimit);
                tx.WhenCommitted(() => _journal.Stand(standing, more ? exchange.Rest : null), undo: null);
            });
    }

    private (Inode One, Inode Two) ExchangePartners(ExchangeIntent intent)
    {
        if (!Geometry.Superblock.Has(IncompatFeatures.ExchangeRange)) throw Corrupt(intent, "the file system has no exchange of mappings");
        const ulong known = ExchangeIntent.Attributes | ExchangeIntent.SetsSizes | ExchangeIntent.WrittenOnly | ExchangeIntent.EndsSharing1 | ExchangeIntent.EndsSharing2;
        if ((intent.Flags & ~known) != 0) throw Corrupt(intent, $"unknown flags 0x{intent.Flags:x}");
        Inode one = ExchangePartner(intent, intent.Inode1, intent.Generation1, intent.Start1), two = ExchangePartner(intent, intent.Inode2, intent.Generation2, intent.Start2);
        if (one.Number == two.Number && (intent.Start1 < intent.Start2 ? intent.Start2 - intent.Start1 : intent.Start1 - intent.Start2) < intent.Blocks)
            throw Corrupt(intent, $"{intent.Blocks} blocks of {one} from {intent.Start1} and from {intent.Start2} on overlap");
        if ((intent.Flags & ExchangeIntent.SetsSizes) != 0 && (intent.Size1 > long.MaxValue || intent.Size2 > long.MaxValue))
            throw Corrupt(intent, $"sizes {intent.Size1} and {intent.Size2}");
        return (one, two);
    }

    private Inode ExchangePartner(ExchangeIntent intent, InodeNumber number, uint generation, FileBlock start)
    {
        Inode inode = _inodes.Get(number);
        if (inode.Core.Generation != generation) throw Corrupt(intent, $"{inode} has generation {inode.Core.Generation}, expected {generation}");
        // The kernel does it to attributes, directories and symlinks where it repairs them.
        if ((intent.Flags & ExchangeIntent.Attributes) != 0 || !inode.IsRegular)
            throw new XfsUnsupportedException($"the log holds an unfinished online repair of {inode}; mount the image once with a kernel");
        if (inode.Core.Format is not (ForkFormat.Extents or ForkFormat.Btree)) throw Corrupt(intent, $"{inode} has no extents");
        if (start.Value > FileBlock.Limit || intent.Blocks > FileBlock.Limit - start.Value) throw Corrupt(intent, $"{intent.Blocks} file blocks from {start} on cannot exist");
        return inode;
    }
}
