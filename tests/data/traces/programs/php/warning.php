<?php
echo $missing;
