use strict;
use Carp qw(confess);

sub price { my ($item) = @_; confess("no price for $item"); }
sub total { return price($_[0]) + 1; }

total("pear");
