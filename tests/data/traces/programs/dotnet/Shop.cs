using System;
using System.Collections.Generic;
using System.Linq;

namespace Shop
{
    public class Cart
    {
        public int Price(string item)
        {
            return new Dictionary<string, int> { { "apple", 3 } }[item];
        }

        public int Total(IEnumerable<string> items)
        {
            try { return items.Select(item => Price(item)).Sum(); }
            catch (KeyNotFoundException error) { throw new InvalidOperationException("no total", error); }
        }
    }

    public static class Program
    {
        public static void Main(string[] args)
        {
            new Cart().Total(new[] { "pear" });
        }
    }
}
