use strict;
sub f { die "plain death" }
f();
