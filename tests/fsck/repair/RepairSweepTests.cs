namespace ImageFs.Tests.Fsck;

/// <summary>Damage by dice, repaired: nobody finds anything any more, and only what the damaged block held is lost.</summary>
[TestClass]
public sealed class RepairSweepTests
{
    [TestMethod]
    public void WhateverFieldIsDamagedTheRepairedImageIsClean() => new RepairSweep(One(Dice.Roll)).Run(nameof(WhateverFieldIsDamagedTheRepairedImageIsClean), 120);

    [TestMethod]
    public void WhateverBlockIsLostTheRepairedImageIsClean() => new RepairSweep(One(Dice.Wipe)).Run(nameof(WhateverBlockIsLostTheRepairedImageIsClean), 60);

    private static Func<DamagedImage, string, Random, SweepSample, Harm> One(Func<DamagedImage, string, Random, List<MetadataPlace>, Dice> throwing) => (image, name, random, sample) =>
    {
        Dice dice = throwing(image, name, random, sample.Places);
        return new Harm(dice.Place.Family, dice.ToString(), [(dice.Place.Offset, dice.Place.Offset + dice.Place.Length)]);
    };
}
