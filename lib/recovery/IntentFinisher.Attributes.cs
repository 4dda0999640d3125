using System.Numerics;
using ImageFs.Attributes;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Journal;

namespace ImageFs.Recovering;

/// <content>Attributes. An intent has the whole of the new value, so that it can be repeated from whatever state it stopped in.</content>
internal sealed partial class IntentFinisher
{
    private const uint AttributeSet = 1, AttributeRemove = 2, AttributeReplace = 3, PointerSet = 4, PointerRemove = 5, PointerReplace = 6;

    private void ChangeAttribute(AttrIntent intent)
    {
        AttributeFlags space = (AttributeFlags)intent.Filter & AttributeFlags.Namespaces;
        if ((intent.Filter & ~(uint)(AttributeFlags.Namespaces | AttributeFlags.Incomplete)) != 0 || BitOperations.PopCount((uint)space) > 1)
            throw Corrupt(intent, $"no attribute has flags 0x{intent.Filter:x}");
        bool isPointer = intent.Operation >= PointerSet;
        if (isPointer != (space == AttributeFlags.Parent)) throw Corrupt(intent, $"operation {intent.Operation} on an attribute with flags 0x{intent.Filter:x}");
        if (isPointer && !Geometry.HasParentPointers) throw Corrupt(intent, "the file system has no parent pointers");
        if (!isPointer && (Geometry.Superblock.FeaturesLogIncompat & (uint)LogIncompatFeatures.LoggedAttributes) == 0) throw Corrupt(intent, "the superblock says that there are no intents of attributes");
        CheckName(intent, intent.AttributeName);
        Inode inode = _inodes.Get(intent.Inode);
        if (isPointer && inode.Core.Generation != intent.Generation) throw Corrupt(intent, $"{inode} has generation {inode.Core.Generation}, expected {intent.Generation}");
        if (isPointer) CheckPointer(intent, intent.Value);
        else if (intent.Value.Length > AttributeFormat.MaxValue) throw Corrupt(intent, $"a value of {intent.Value.Length} bytes, at most {AttributeFormat.MaxValue} possible");

        switch (intent.Operation)
        {
            case AttributeSet or AttributeReplace:
                Run(intent.Name, tx => ExtendedAttributes.Set(tx, this, inode, new AttributeKey(space, intent.AttributeName), intent.Value));
                break;
            case AttributeRemove:
                Run(intent.Name, tx => ExtendedAttributes.Erase(tx, this, inode, new AttributeKey(space, intent.AttributeName)));
                break;
            case PointerSet:
                Run(intent.Name, tx => ExtendedAttributes.Set(tx, this, inode, new AttributeKey(intent.AttributeName, intent.Value), intent.Value));
                break;
            case PointerRemove:
                Run(intent.Name, tx => ExtendedAttributes.Erase(tx, this, inode, new AttributeKey(intent.AttributeName, intent.Value)));
                break;
            case PointerReplace:
                CheckName(intent, intent.NewName);
                CheckPointer(intent, intent.NewValue);
                Run(intent.Name, tx =>
                {
                    ExtendedAttributes.Erase(tx, this, inode, new AttributeKey(intent.AttributeName, intent.Value));
                    ExtendedAttributes.Set(tx, this, inode, new AttributeKey(intent.NewName, intent.NewValue), intent.NewValue);
                });
                break;
            default:
                throw Corrupt(intent, $"operation {intent.Operation}, 1..6 possible");
        }
    }

    private static void CheckName(AttrIntent intent, byte[] name)
    {
        if (name.Length is 0 or > AttributeFormat.MaxName) throw Corrupt(intent, $"a name of {name.Length} bytes, 1..{AttributeFormat.MaxName} possible");
    }

    private void CheckPointer(AttrIntent intent, byte[] value)
    {
        if (value.Length != ParentPointer.Size) throw Corrupt(intent, $"a parent pointer of {value.Length} bytes, expected {ParentPointer.Size}");
        InodeNumber directory = new(ParentPointer.At((ReadOnlySpan<byte>)value).Inode);
        if (!Geometry.IsValid(directory)) throw Corrupt(intent, $"a parent pointer to inode {directory}, which cannot exist");
    }
}
